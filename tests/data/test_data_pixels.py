"""Which number means white: taken from the pixels that are there, told, and refused where it is unclear."""

import logging

import numpy as np
import pytest
from PIL import Image

from autonoise import data
from autonoise.data.levels import white_of
from autonoise.errors import DataError
from autonoise.types import DataType

Y = np.arange(20) % 2


def load(tmp_path, x, **arrays):
    np.savez(tmp_path / "a.npz", X=x, y=Y, **arrays)
    return data.load(tmp_path / "a.npz")


def ramp(top, dtype=float):
    """Whole numbers 0..top, each picture the same, its first pixel 0 and its last ``top``."""
    one = np.round(np.linspace(0, top, 64)).reshape(8, 8)
    return np.broadcast_to(one, (20, 8, 8)).astype(dtype)


@pytest.mark.parametrize(
    ("top", "dtype", "value", "byte"),
    [
        (16, "float64", 4, 64),  # 4 / 16 of 255 is 63.75
        (16, "uint8", 8, 128),
        (15, "int64", 5, 85),
        (1, "uint8", 1, 255),
        (1, "bool", 1, 255),
        (1, "int32", 1, 255),
        (1, "float32", 1, 255),
        (255, "int16", 100, 100),
        (255, "float32", 100, 100),
        (1023, "uint16", 512, 128),  # 512 / 1023 of 255 is 127.6
        (4095, "int32", 2048, 128),
        (65535, "uint16", 257, 1),
        (65535, "float32", 25700, 100),
        (230, "uint8", 100, 100),
        (4000, "uint16", 2048, 128),  # 12 bits, nearly filled
    ],
)
def test_range_of_whole_numbers(tmp_path, top, dtype, value, byte):
    x = ramp(top, dtype).copy()
    x[:, 4, 4] = value
    d = load(tmp_path, x)
    assert d.data_type is DataType.IMAGE and d.x.dtype == np.uint8
    assert (d.x[:, 4, 4, 0] == byte).all() and d.x.min() == 0
    assert d.x.max() == {230: 230, 4000: 249}.get(top, 255)


def test_digits_saved_as_npz_are_the_built_in_digits(tmp_path, caplog):
    from sklearn.datasets import load_digits

    found = load_digits()
    np.savez(tmp_path / "digits.npz", X=found.images, y=found.target)
    with caplog.at_level(logging.WARNING, logger="autonoise"):
        d = data.load(tmp_path / "digits.npz")
    np.testing.assert_array_equal(d.x, data.load("digits").x)
    assert "read as 0..16" in caplog.text and any("multiplied by 255/16" in n for n in d.notes)


@pytest.mark.parametrize(("top", "byte"), [(1.0, 64), (255.0, 64), (0.9, 57), (1.0004, 64)])
def test_range_of_fractions(tmp_path, top, byte):
    x = np.full((20, 8, 8), 0.25 * top)
    x[:, 0, 0] = top
    assert (load(tmp_path, x).x[:, 4, 4, 0] == byte).all()


@pytest.mark.parametrize(
    ("top", "dtype"),
    [(100, "uint8"), (20, "int64"), (300, "uint16"), (2000, "uint16"), (9000, "u2"), (40000, "u2"), (70000, "i4")],
)
def test_unclear_ranges_are_refused_unless_stated(tmp_path, top, dtype):
    x = ramp(top, dtype)[..., None]
    with pytest.raises(DataError, match=rf"brightest training pixel is {top}, .*full_scale") as e:
        load(tmp_path, x)
    assert "\n" not in str(e.value)
    d = load(tmp_path, x, full_scale=2 * top)
    assert d.x.max() == 128 and d.x.min() == 0


def test_fractions_that_fit_no_range(tmp_path):
    x = np.random.default_rng(0).random((20, 8, 8, 1))
    for top in (0.3, 0.0039, 1.2, 60.5):
        with pytest.raises(DataError, match="fits no usual range"):
            load(tmp_path, x / x.max() * top)
    x[3, 2, 2] = np.nan
    with pytest.raises(DataError, match="picture 3 holds a missing"):
        load(tmp_path, x)


def test_only_the_training_part_says_what_is_white(tmp_path):
    parts = {"X_train": ramp(16), "y_train": Y, "y_test": Y}
    np.savez(tmp_path / "a.npz", X_test=ramp(12), **parts)
    assert data.load(tmp_path / "a.npz").x[20:].max() == 191  # 12 / 16 of 255, not 255
    np.savez(tmp_path / "a.npz", X_test=ramp(200), **parts)
    with pytest.raises(DataError, match="reach 200 outside the training part, but 16 in it"):
        data.load(tmp_path / "a.npz")
    with pytest.raises(DataError, match="full_scale says 10"):
        load(tmp_path, ramp(16), full_scale=10)


@pytest.mark.parametrize(
    ("high", "floats", "white"),
    [(127, False, 127), (128, False, 255), (126, False, None), (0.5, True, 1), (0.49, True, None), (0, False, 255),
     (767, False, None), (768, False, 1023), (3071, False, None), (49151, False, None), (49152, False, 65535)],
)  # fmt: skip
def test_limits_of_the_rule(high, floats, white):
    assert white_of(high, floats=floats) == white


def folder(tmp_path, save):
    for c, name in enumerate("ab"):
        (tmp_path / name).mkdir(parents=True)
        for i in range(6):
            save(tmp_path / name / str(i), c)
    return data.load(tmp_path)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize(("dtype", "top"), [("uint16", 4095), ("uint16", 65535), ("uint8", 1), ("uint8", 16)])
def test_files_of_other_ranges(tmp_path, suffix, dtype, top):
    def save(stem, c):
        Image.fromarray(np.array([[0, top], [top // 2, top * c]], dtype=dtype)).save(stem.with_suffix(suffix))

    d = folder(tmp_path, save)
    half = round(255 * (top // 2) / top)
    np.testing.assert_array_equal(d.x[0, ..., 0], [[0, 255], [half, 0]])
    np.testing.assert_array_equal(d.x[6, ..., 0], [[0, 255], [half, 255]])
    assert (f"read as 0..{top}" in " ".join(d.notes)) == (top < 65535)


def test_float_and_dark_files(tmp_path):
    d = folder(tmp_path, lambda stem, c: Image.fromarray(np.float32([[0.25, 1.0]])).save(stem.with_suffix(".tif")))
    assert d.x[0].ravel().tolist() == [64, 255]
    for f in tmp_path.rglob("*.tif"):
        f.unlink()
        Image.fromarray(np.uint8([[20, 90]])).save(f.with_suffix(".png"))
    assert data.load(tmp_path).x[0].ravel().tolist() == [20, 90]  # the format says that 255 is white
    for f in tmp_path.rglob("*.png"):
        Image.fromarray(np.uint16([[20, 9000]])).save(f)
    with pytest.raises(DataError, match="more than 8 bits is 9000 in training"):
        data.load(tmp_path)


def see_through(mode):
    """Two pixels: opaque black (grey 0), and a fully transparent one whose stored colour is black, too."""
    if mode in ("RGBA", "LA"):
        return Image.fromarray(np.uint8([[[0, 0, 0, 255], [0, 0, 0, 0]]])).convert(mode), {}
    if mode == "RGB":  # a colour that is declared transparent
        return Image.fromarray(np.uint8([[[0, 0, 0], [0, 0, 9]]])), {"transparency": (0, 0, 9)}
    if mode == "I;16":
        return Image.fromarray(np.uint16([[0, 7]])), {"transparency": 7}
    picture = Image.fromarray(np.uint8([[0, 1]]))
    if mode == "P":
        picture = picture.convert("P")
        picture.putpalette([0, 0, 0, 0, 0, 9])
    return picture, {"transparency": 1}


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "RGB", "I;16"])
def test_transparent_pixels_lie_on_white(tmp_path, mode):
    picture, options = see_through(mode)
    d = folder(tmp_path, lambda stem, c: picture.save(stem.with_suffix(".png"), **options))
    assert (d.x[0, 0, 0] == 0).all() and (d.x[0, 0, 1] == 255).all()
    assert "12 transparent pictures laid on white" in d.notes


def test_transparent_values_do_not_say_what_is_white(tmp_path):
    picture = Image.fromarray(np.uint16([[0, 4095, 60000]]))  # 12 bits, and a marker for "nothing here"
    d = folder(tmp_path, lambda stem, c: picture.save(stem.with_suffix(".png"), transparency=60000))
    assert d.x[0].ravel().tolist() == [0, 255, 255] and d.full_scale == 4095


def test_half_transparent_is_half_white(tmp_path):
    picture = Image.fromarray(np.uint8([[[0, 100, 255, 51]]]))  # 51 / 255 = 0.2 of the colour, 0.8 of white
    d = folder(tmp_path, lambda stem, c: picture.save(stem.with_suffix(".webp"), lossless=True, exact=True))
    assert d.x[0].ravel().tolist() == [204, 224, 255]


def test_print_colours_one_bit_and_turned_pictures(tmp_path):
    cmyk = Image.new("CMYK", (1, 2), (0, 255, 255, 0))  # red
    d = folder(tmp_path, lambda stem, c: cmyk.save(stem.with_suffix(".tif")))
    assert d.x[0, 0, 0, 0] > 200 and d.x[0, 0, 0, 1:].max() < 60
    for f in tmp_path.rglob("*.tif"):
        f.unlink()
        turned = Image.Exif()
        turned[0x0112] = 6  # shown turned by 90 degrees clockwise: the left column becomes the top row
        Image.fromarray(np.uint8([[0, 255], [0, 255]])).convert("1").save(f.with_suffix(".png"), exif=turned)
    d = data.load(tmp_path)
    np.testing.assert_array_equal(d.x[0, ..., 0], [[0, 0], [255, 255]])


def test_first_frame_and_a_palette_of_greys(tmp_path):
    frames = [Image.fromarray(np.uint8([[v, 200]])) for v in (10, 90)]
    movie = {"save_all": True, "append_images": frames[1:]}
    d = folder(tmp_path, lambda stem, c: frames[0].save(stem.with_suffix(".gif"), **movie))
    assert d.x.shape == (12, 1, 2, 1) and d.x[0].ravel().tolist() == [10, 200]
    assert any("12 pictures of several frames" in n for n in d.notes)


def test_series_and_pictures_are_told_apart(tmp_path):
    d = load(tmp_path, np.random.default_rng(0).normal(size=(20, 8, 8)))
    assert d.data_type is DataType.TIMESERIES and "series of 8 channels" in d.notes[0]
    d = load(tmp_path, ramp(65535, "uint16"))
    assert d.data_type is DataType.IMAGE and "read as pictures" in d.notes[0]


@pytest.mark.parametrize(
    ("top", "noisy_top", "byte"),
    [
        (16, 12, 191),  # 12 / 16 of 255: unclear alone
        (16, 15, 239),  # 15 / 16 of 255: would be white alone
        (16, 255, 255),  # stored in another range
        (1.0, 0.3, 76),
        (255.0, 1.0, 255),
    ],
)
def test_a_noisy_copy_has_the_range_of_the_clean_data(tmp_path, top, noisy_top, byte):
    clean = load(tmp_path, np.array(ramp(16) / 16 * top))
    assert clean.full_scale == top
    np.savez(tmp_path / "noisy.npz", X=np.array(ramp(16) / 16 * noisy_top), y=Y)
    assert data.load(tmp_path / "noisy.npz", like=clean).x.max() == byte


def test_a_noisy_folder_has_the_range_of_the_clean_one(tmp_path):
    clean = folder(tmp_path / "clean", lambda stem, c: Image.fromarray(np.uint8([[0, 16]])).save(f"{stem}.png"))
    noisy = folder(tmp_path / "noisy", lambda stem, c: Image.fromarray(np.uint8([[0, 12]])).save(f"{stem}.png"))
    assert clean.full_scale == 16 and noisy.x.max() == 12
    assert data.load(tmp_path / "noisy", like=clean).x.max() == 191


@pytest.mark.parametrize(("train", "test", "white"), [(16, 12, 16), (16, 200, 255), (12, 16, 255)])
def test_files_outside_the_training_part_do_not_choose_the_range(tmp_path, train, test, white):
    for part, top in (("train", train), ("test", test)):
        (tmp_path / part).mkdir()
        folder(tmp_path / part, lambda stem, c, top=top: Image.fromarray(np.uint8([[0, top]])).save(f"{stem}.png"))
    d = data.load(tmp_path)
    assert d.full_scale == white and d.x[d.split == "test"].max() == round(255 * test / white)


def test_deep_files_outside_the_training_part_must_fit(tmp_path):
    for part, top in (("train", 4095), ("test", 60000)):
        for name in "ab":
            (tmp_path / part / name).mkdir(parents=True)
            for i in range(6):
                Image.fromarray(np.uint16([[0, top]])).save(tmp_path / part / name / f"{i}.png")
    with pytest.raises(DataError, match="is 4095 in training, 60000 in all"):
        data.load(tmp_path)
