"""The catalogue of attributes of the made-up app, over real requests."""

import pandas as pd
import pytest

import nucleus_pandas as nu

SPAN = ("2026-09-01", "2026-10-31")


def catalog(app, **settings):
    return nu.attribute_catalog(app, *SPAN, progress=False, **settings)


def of(app, *events):
    properties = nu.load_event_properties(app, *SPAN)
    return properties[properties["event"].isin(events)]


def test_a_row_tells_what_load_attribute_tells(shared_app):
    row = catalog(shared_app, attributes=of(shared_app, "init")).set_index("attribute").loc["plan"]
    plans = nu.load_attribute(shared_app, "init", "plan", *SPAN)
    free, pro, team = plans["count"].tolist()
    assert (row["event"], row["type"], row["values"], row["count"]) == ("init", "string", 3, free + pro + team)
    assert row["top_share"] == free / (free + pro + team)
    assert row["top_values"] == f"free ({free:,}), pro ({pro:,}), team ({team:,})"


def test_an_attribute_of_several_types_has_one_row(shared_app):
    table = catalog(shared_app, attributes=of(shared_app, "EXPORT_PDF")).set_index("attribute")
    assert table.loc["pages", "type"] == "boolean, number, string"
    assert table.index.tolist() == ["format", "pages"]


def test_it_takes_one_request_an_attribute_and_one_for_their_names(own_app):
    pairs = nu.load_event_properties(own_app, *SPAN)[["event", "attribute"]].drop_duplicates()
    own_app.service.requests.clear()
    table = catalog(own_app)
    assert len(table) == len(pairs)
    assert len(own_app.service.requests) == len(pairs) + 1


def test_the_values_named_are_the_most_frequent_and_long_ones_are_cut(shared_app):
    table = catalog(shared_app, attributes=of(shared_app, "error:unhandledRejection"), top=1).set_index("attribute")
    assert table["top_values"].str.count(r"\(").tolist() == [1, 1]
    assert not table["top_values"].str.contains("\n").any()
    assert table["top_values"].str.len().max() < 55


def test_more_requests_than_wanted_are_not_sent(own_app):
    asked = of(own_app, "init")
    own_app.service.requests.clear()
    with pytest.raises(ValueError, match=r"takes 3 requests, one an attribute\. Pass max_requests=3"):
        catalog(own_app, attributes=asked, max_requests=2)
    assert len(own_app.service.requests) == 0


def test_too_many_requests_are_told_with_their_time(own_app):
    asked = of(own_app, "init")
    with (
        nu.Client(
            own_app.service.app_id, own_app.service.token, base_url=own_app.service.base_url, requests_per_second=0.1
        ) as slow,
        pytest.raises(ValueError, match="and some 30 seconds"),
    ):
        catalog(slow, attributes=asked, max_requests=2)


def test_an_app_without_attributes_gives_the_same_columns_and_types(empty_app, shared_app):
    empty = catalog(empty_app)
    assert len(empty) == 0
    pd.testing.assert_series_equal(empty.dtypes, catalog(shared_app, attributes=of(shared_app, "init")).dtypes)


def test_an_error_tells_what_is_done_and_what_is_left(own_app):
    asked = of(own_app, "init", "EXPORT_PDF", "SEARCH")
    whole = catalog(own_app, attributes=asked)
    token, answer = own_app.service.token, own_app.service._server.answer
    own_app.service.requests.clear()

    def revoke(*args, **kwargs):
        if len(own_app.service.requests) >= 1:  # so that three in a row are refused
            own_app.service.token = "revoked"
        return answer(*args, **kwargs)

    own_app.service._server.answer = revoke
    with pytest.raises(nu.AuthenticationError, match=r"error\.remaining") as caught:
        catalog(own_app, attributes=asked)
    own_app.service.token, own_app.service._server.answer = token, answer
    rest = catalog(own_app, attributes=caught.value.remaining)
    both = pd.concat([caught.value.partial, rest]).sort_values(["event", "attribute"], ignore_index=True)
    pd.testing.assert_frame_equal(both, whole)


def test_an_attribute_that_no_path_can_carry_has_missing_numbers(shared_app):
    asked = of(shared_app, "init")
    odd = pd.concat([asked, asked.head(1).assign(attribute="..")])
    with pytest.warns(nu.IncompleteDataWarning, match="1 of 4 attributes could not be asked about"):
        table = catalog(shared_app, attributes=odd).set_index("attribute")
    assert table.loc["..", ["values", "count", "top_share", "top_values"]].isna().all()
    assert table.drop("..")["values"].notna().all()


def test_what_is_no_list_of_attributes_is_refused(shared_app):
    with pytest.raises(TypeError, match=r"of type list\. Pass rows"):
        catalog(shared_app, attributes=["plan"])
    with pytest.raises(ValueError, match="missing attribute, type"):
        catalog(shared_app, attributes=of(shared_app, "init")[["event"]])
