"""Numbers in the tables of a page."""

import pandas as pd
import pytest

import nucleus_pandas as nu
from nucleus_pandas.report.table_cells import cells_of


@pytest.mark.parametrize(
    ("share", "written"),
    [(1.0, "1.00"), (0.999999, "0.999999"), (0.5, "0.500"), (1 - 1e-12, "1.00000000"), (0.9949, "0.995"), (0.0, "0")],
)
def test_a_share_of_nearly_all_is_not_written_as_all(share, written):
    assert cells_of(pd.DataFrame({"share": [share]})).rows == [[written]]


def test_a_rare_value_is_never_written_as_none_nor_the_rest_as_all():
    table = nu.breakdown(pd.DataFrame({"value": ["win32", "linux"], "count": [999_999, 1]}))
    shares = [row[table.columns.get_loc("share")] for row in cells_of(table).rows]
    assert shares == ["0.999999", "0.00000100"]
