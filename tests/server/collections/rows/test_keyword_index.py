import numpy as np
import pytest

from collecting import record
from following import Kept
from frostline.server.collections.rows import database
from frostline.server.collections.rows.keyword_index import MAX_TERMS, KeywordIndex, _query
from frostline.server.collections.rows.operations import Delete


@pytest.fixture
def kept(tmp_path):
    kept = Kept(tmp_path)
    texts = ["a red fox", "a blue fox jumps over a fox", "whales sing", "the red whale", "", None, "a red fox"]
    kept.upsert(*(record(f"{number}", text=text) for number, text in enumerate(texts, 1)))
    # Words that half of the texts have would tell nothing apart.
    kept.upsert(*(record(f"other {number}", text="nothing of the kind") for number in range(20)))
    yield kept
    kept.close()


@pytest.fixture
def index(kept):
    return KeywordIndex(database.connect(kept.path))


def test_finds_any_of_the_words_best_first(index):
    ids, scores = index.search("red whale", 10)
    assert ids[0] == 4
    assert set(ids) == {1, 3, 4, 7}
    assert (ids.dtype, scores.dtype) == (np.int64, np.float32)
    assert (np.diff(scores) <= 0).all()
    assert (scores > 0).all()


def test_a_word_counts_as_often_as_it_comes(index):
    for text, order in (("fox red red red", [4, 2]), ("fox fox fox red", [2, 4])):
        assert [each for each in index.search(text, 10)[0].tolist() if each in order] == order


def test_equal_scores_come_in_the_order_they_were_written(index):
    ids, scores = index.search("red", 10)
    assert [each for each in ids if each != 4] == [1, 7]
    assert scores[list(ids).index(1)] == scores[list(ids).index(7)]


def test_pages_follow_each_other(index):
    whole, _ = index.search("red whale fox", 10)
    pages = [index.search("red whale fox", 2, offset)[0].tolist() for offset in (0, 2, 4)]
    assert [each for page in pages for each in page] == whole.tolist()
    assert len(whole) == 5


def test_words_are_stemmed_and_accents_and_case_do_not_count(kept, index):
    kept.upsert(record("x", text="Résumés of CAFÉS"))
    for text in ("resume", "RÉSUMÉ", "re\u0301sume\u0301", "cafe"):
        assert index.search(text, 10)[0].tolist() == [28]


def test_only_given_rows_are_found(index):
    assert index.search("red whale", 10, ids=np.array([3, 5, 7, 99], np.int64))[0].tolist() == [3, 7]
    assert index.search("red whale", 10, ids=np.empty(0, np.int64))[0].tolist() == []
    many = np.arange(100_000, dtype=np.int64)
    assert set(index.search("red whale", 10, ids=many)[0]) == {1, 3, 4, 7}


@pytest.mark.parametrize(
    "text",
    ["", " ", '"', '"""', "***", "()", "\0", "!!!", "\ud800", "🦊", "{", "^", "AND", "NOT", "NEAR", "rowid:"],
)
def test_text_without_known_words_finds_nothing(index, text):
    ids, scores = index.search(text, 10)
    assert (len(ids), len(scores)) == (0, 0)


@pytest.mark.parametrize(
    "text",
    [
        'fox"', '"fox', "fox*", "fox NOT fox", "NEAR(fox red, 0)", "text:fox", "fox AND whales", "-fox", "^fox",
        "(fox", "fox)", "fox\0", "\0fox", "keywords MATCH fox", "fox; DROP TABLE records", "{text} : fox", "fox + red",
        "fox' OR 1=1 --", "fo\u200bx fox",
    ],
)  # fmt: skip
def test_syntax_has_no_meaning(index, text):
    assert set(index.search(text, 10)[0]) >= {1, 2, 7}


def test_long_texts_are_cut_at_some_words(index):
    words = " ".join(f"w{number}" for number in range(300_000))
    assert len(words) > 1 << 20
    assert _query(words).count(" OR ") == MAX_TERMS - 1
    assert len(_query("x" * (1 << 20))) < 1000
    assert index.search(f"fox {words}", 1)[0].tolist() == [2]
    assert index.search("fox " * 300_000, 3)[0].tolist() == index.search("fox", 3)[0].tolist()


def test_what_is_deleted_is_not_found(kept, index):
    kept.write(Delete(["1", "2"]))
    kept.upsert(record("7", text="other words"))
    assert index.search("fox", 10)[0].tolist() == []
    assert kept.sql("SELECT rowid FROM keywords WHERE keywords MATCH 'fox'") == []


def test_words_that_a_damaged_text_leaves_behind_are_passed_over(kept, index):
    best = index.search("fox", 1)[0].tolist()
    kept.sql("UPDATE records SET text = 'damaged' WHERE internal_id = ?", *best)
    kept.write(Delete([str(best[0])]))
    assert kept.sql("SELECT count(*) FROM keywords WHERE keywords MATCH 'fox'") == [(3,)]
    for limit in (1, 2, 10):
        assert index.search("fox", limit)[0].tolist() == [each for each in (1, 2, 7) if each not in best][:limit]
