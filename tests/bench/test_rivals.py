from pathlib import Path

from bench.rivals import Sample, bare, flask_view

SAMPLE = Sample(b'{"a": 1}', [("Content-Type", "application/json"), ("X-Request-ID", "x")])


def test_sample_leaves_out_what_the_server_adds() -> None:
    """Else a rival would send these headers twice."""
    headers = [("Server", "s"), ("Date", "d"), ("Connection", "keep-alive"), ("X-Request-ID", "x")]
    assert Sample.of(b"{}", headers) == Sample(b"{}", [("X-Request-ID", "x")])


def test_sample_can_be_kept(tmp_path: Path) -> None:
    """A rival in another process reads the same."""
    SAMPLE.save(tmp_path / "sample")
    assert Sample.load(tmp_path / "sample") == SAMPLE


def test_bare_function_answers_the_sample() -> None:
    """Body and headers, and nothing else."""
    begun: list[object] = []
    body = bare(SAMPLE)({}, lambda *what: begun.extend(what))
    assert body == [SAMPLE.body]
    assert begun == ["200 OK", SAMPLE.headers]


def test_flask_view_answers_the_sample() -> None:
    """The length is Flask's to add."""
    answer = flask_view(SAMPLE).test_client().get("/token")
    assert answer.data == SAMPLE.body
    assert answer.headers["X-Request-ID"] == "x"
