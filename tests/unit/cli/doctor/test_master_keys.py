"""How the master keys that are set are compared with those a database needs: each that is missing is one problem."""

from gateway_cli.doctor.master_keys import judge_key_ids


def test_keys_that_are_all_there_are_fine_and_more_of_them_too() -> None:
    [answer] = judge_key_ids(frozenset({"aa", "bb"}), {"API keys are refused": {"aa": 3}, "webhooks fail": {}})

    assert answer.is_fine


def test_each_missing_key_is_named_with_what_happens_without_it() -> None:
    counts = {"API keys are refused": {"aa": 3, "cc": 1}, "webhooks fail": {"bb": 2, "cc": 5}}

    answers = judge_key_ids(frozenset({"aa"}), counts)

    assert [answer.is_fine for answer in answers] == [False, False]
    assert "key bb, " in answers[0].sentence
    assert ": webhooks fail (2). " in answers[0].sentence
    assert "key cc, " in answers[1].sentence
    assert ": API keys are refused (1), webhooks fail (5). " in answers[1].sentence
