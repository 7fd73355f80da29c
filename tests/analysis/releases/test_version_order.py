"""The order of versions."""

from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from nucleus_pandas.analysis.releases.version_order import is_prerelease, is_version, version_key, version_order


def sorts(*names):
    return version_order(reversed(names)) == list(names)


def test_numbers_count_as_numbers():
    assert sorts("0.9", "0.9.1", "v0.9.5", "0.10.0", "1.0.0", "10.0")


def test_a_pre_release_comes_before_its_release_and_after_the_one_before():
    assert sorts("0.11.0", "1.0.0.dev1", "1.0.0-beta.2", "1.0.0-nightly.3", "1.0.0-nightly.12", "1.0.0rc1", "1.0.0")


def test_what_is_later_than_a_release_comes_after_it():
    assert sorts("1.0.0", "1.0.0 (build 9)", "1.0.0 (build 10)", "1.0.0.post1", "1.0.1-alpha.1.2", "1.0.1")


def test_names_that_are_no_versions_come_last_and_keep_their_natural_order():
    assert sorts("0.1", "99.0", "nightly 9", "nightly 10", "unknown", "(other)", "(none)")
    assert [is_version(name) for name in ("1.0", "1.0-x", "unknown", "(none)")] == [True, True, False, False]


def test_versions_that_are_written_in_two_ways_stand_beside_each_other():
    assert sorts("0.9", "1.0", "1.0.0", "v1.0", "1.0.1")


def test_numbers_of_any_length_are_read():
    assert sorts("1." + "8" * 5000, "1." + "9" * 5000, "2")


def test_pre_releases_are_told():
    assert all(is_prerelease(name) for name in ("1.0rc1", "1.0.dev3", "1.0.0-nightly.3", "2.0-beta"))
    assert not any(is_prerelease(name) for name in ("1.0", "1.0.post1", "1.0+7", "1.0 (build 3)", "unknown", "(none)"))


numbers = st.integers(0, 11)
pep440 = st.builds(
    lambda epoch, release, pre, post, dev, local: epoch + ".".join(map(str, release)) + pre + post + dev + local,
    st.sampled_from(["", "1!"]),
    st.lists(numbers, min_size=1, max_size=3),
    st.one_of(st.just(""), st.builds(lambda letter, n: f"{letter}{n}", st.sampled_from(["a", "b", "rc"]), numbers)),
    st.one_of(st.just(""), numbers.map(".post{}".format)),
    st.one_of(st.just(""), numbers.map(".dev{}".format)),
    st.one_of(st.just(""), st.sampled_from(["+7", "+10", "+x.2"])),
)


@given(pep440, pep440)
def test_two_versions_of_pep_440_stand_in_its_order(one, other):
    if Version(one) != Version(other):
        assert (version_key(one) < version_key(other)) == (Version(one) < Version(other))
    assert is_prerelease(one) == Version(one).is_prerelease


@given(st.lists(st.text(max_size=12)))
def test_any_texts_have_an_order(names):
    assert version_order(names) == version_order(reversed(names))
