"""What the report says of the price of a point."""

from stages.report.price import chain, section

GAIN = {"points": 50.0, "low": 40.0, "high": 60.0, "n": 84, "p": 0.001, "p_holm": 0.01}
NOISE = {"points": 1.0, "low": -2.0, "high": 4.0, "n": 84, "p": 0.5, "p_holm": 1.0}


def price(name, on, spent, gain, base=None):
    told = {"model": name, "stands_on": on, "section": "own", "metric": "exact", "spent": spent}
    return told | ({"on": gain} if gain else {}) | ({"base": base} if base else {})


PRICES = {
    "2b": price("2b", "base", {"usd": 2.0, "cpu_s": 30.0}, GAIN),
    "2c": price("2c", "2b", {"usd": 2.0, "cpu_s": 20.0, "gpu_s": 5.0}, NOISE, GAIN),
    "2d": price("2d", "2c", {"usd": 0, "cpu_s": 10.0}, GAIN | {"points": -3.0}, NOISE),
}


def test_a_chain_pays_its_rows_once_and_its_seconds_each_time():
    assert chain("2c", PRICES) == {"usd": 2.0, "cpu_s": 50.0, "gpu_s": 5.0}
    assert chain("2d", PRICES) == {"usd": 2.0, "cpu_s": 60.0, "gpu_s": 5.0}
    assert chain("base", PRICES) == {}


def test_a_row_an_adapter():
    lines = section(PRICES, 0.95)
    gain = "+50.0 [40.0, 60.0], n = 84"
    each = "$0.04, 0.6 CPU-s"
    assert f"| 2b on base | {gain} | {each} | {gain} | {each} |" in lines
    noise = "+1.0 [-2.0, 4.0], n = 84"
    chained = "$0.04, 1 CPU-s, 0.1 GPU-s"
    assert f"| 2c on 2b | {noise} | ($2, 20 CPU-s, 5 GPU-s) | {gain} | {chained} |" in lines
    lost = "-3.0 [40.0, 60.0], n = 84"
    noisy = "($2, 60 CPU-s, 5 GPU-s)"
    assert f"| 2d on 2c | {lost} | no gain to pay for | {noise} | {noisy} |" in lines
    assert any("highest value of `exact` (of 1" in line for line in lines)


def test_without_adapters_or_gains_nothing_is_made_up():
    assert section({}, 0.95) == []
    assert "| 2b on base |  |  |  |  |" in section({"2b": price("2b", "base", {}, None)}, 0.95)
