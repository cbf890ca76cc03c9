"""Pictures as tables."""

import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from numbakmeans._cli.files import read
from numbakmeans._cli.tables import FileError


def empty(path):
    path.touch()
    return path


@pytest.fixture
def pixels():
    return np.random.default_rng(1).integers(0, 256, (4, 6, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "A.PNG", "a.tga"])
def test_a_picture_is_read_as_rows_of_colors(tmp_path, pixels, name):
    Image.fromarray(pixels).save(tmp_path / name)
    table = read(tmp_path / name)
    assert table.picture == (4, 6)
    assert table.names == ("red", "green", "blue")
    np.testing.assert_array_equal(table.values, pixels.reshape(24, 3))


def test_columns_of_a_picture_are_a_table(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "a.png")
    table = read(tmp_path / "a.png", columns="blue,0")
    assert table.picture is None
    assert table.names == ("blue", "red")
    np.testing.assert_array_equal(table.values, pixels.reshape(24, 3)[:, [2, 0]])


def test_pictures_of_other_modes_are_converted(tmp_path, pixels):
    path = tmp_path / "a.png"
    Image.fromarray(pixels[..., 0]).save(path)
    np.testing.assert_array_equal(read(path).values, np.repeat(pixels[..., 0].reshape(-1, 1), 3, 1))
    Image.fromarray(np.dstack([pixels, pixels[..., 0]])).save(path)
    np.testing.assert_array_equal(read(path).values, pixels.reshape(-1, 3))
    palette = Image.fromarray(pixels).convert("P", palette=Image.Palette.ADAPTIVE)
    palette.save(path, transparency=bytes([0, 128, 255]))
    np.testing.assert_array_equal(read(path).values, np.asarray(palette.convert("RGB")).reshape(-1, 3))


def test_sixteen_bits_of_grey_are_read(tmp_path):
    values = np.array([[0, 40_000], [65_535, 256]], np.uint16)
    for name in ("a.png", "a.tif"):
        Image.fromarray(values).save(tmp_path / name)
        table = read(tmp_path / name)
        assert table.names == ("grey",)
        np.testing.assert_array_equal(table.values, values.reshape(-1, 1))


def test_floats_are_read(tmp_path):
    values = np.array([[0.5, -1.25], [1e6, 0]], np.float32)
    Image.fromarray(values).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(read(tmp_path / "a.tif").values, values.reshape(-1, 1))


def png(path, depth, color_type, raw):
    """Write a PNG of one pixel, which Pillow cannot write."""

    def chunk(kind, content):
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", 1, 1, depth, color_type, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(b"\0" + raw)), (b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))
    return path


@pytest.mark.parametrize(("color_type", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_sixteen_bits_that_would_be_cut_are_refused(tmp_path, color_type, channels):
    with pytest.raises(FileError, match="16 bits per channel, of which Pillow reads 8"):
        read(png(tmp_path / "a.png", 16, color_type, b"\x12\x34" * channels))
    assert len(read(png(tmp_path / "a.png", 8, color_type, b"\x12" * channels)).values) == 1


def test_sixteen_bits_of_color_in_a_tiff_are_refused(tmp_path):
    # One pixel without compression: the tags of its size, bits, color, strip and samples.
    entries = [(256, 3, 1, 1), (257, 3, 1, 1), (258, 3, 3, 140), (259, 3, 1, 1), (262, 3, 1, 2)]
    entries += [(273, 4, 1, 146), (277, 3, 1, 3), (278, 3, 1, 1), (279, 4, 1, 6), (284, 3, 1, 1)]
    content = b"II*\0" + struct.pack("<IH", 8, len(entries))
    content += b"".join(struct.pack("<HHII", *entry) for entry in entries) + struct.pack("<I", 0)
    content = content.ljust(140, b"\0") + struct.pack("<3H", 16, 16, 16) + struct.pack("<3H", 1, 2, 3)
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(FileError, match="16 bits per channel, of which Pillow reads 8"):
        read(tmp_path / "a.tif")


def test_sixteen_bits_of_grey_with_a_transparent_value_are_kept(tmp_path):
    Image.fromarray(np.array([[40_000, 7]], np.uint16)).save(tmp_path / "a.png", transparency=7)
    np.testing.assert_array_equal(read(tmp_path / "a.png").values, [[40_000], [7]])


def test_transparent_pixels_count_less(tmp_path, pixels):
    opacity = np.full((4, 6), 255, np.uint8)
    path = tmp_path / "a.png"
    Image.fromarray(np.dstack([pixels, opacity])).save(path)
    assert read(path).weights is None
    opacity[0, :2] = 0, 51
    Image.fromarray(np.dstack([pixels, opacity])).save(path)
    table = read(path)
    np.testing.assert_array_equal(table.values, pixels.reshape(-1, 3))
    np.testing.assert_array_equal(table.weights, opacity.reshape(-1) / 255)
    assert table.notes == ("pixels are weighted by their opacity",)
    Image.fromarray(np.dstack([pixels, 0 * opacity])).save(path)
    with pytest.raises(FileError, match="every pixel is transparent"):
        read(path)


def test_photos_are_turned_as_their_exif_data_say(tmp_path, pixels):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    table = read(tmp_path / "a.png")
    assert table.picture == (6, 4)
    np.testing.assert_array_equal(table.values, np.rot90(pixels, -1).reshape(-1, 3))
    assert table.notes == ("turned upright, as its EXIF data say",)


def test_the_first_frame_is_read_and_said(tmp_path, pixels):
    frames = [Image.fromarray(pixels), Image.fromarray(pixels[::-1])]
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    table = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(table.values, pixels.reshape(-1, 3))
    assert table.notes == ("the first of 2 frames",)


def test_a_large_picture_is_no_bomb(tmp_path, pixels, monkeypatch):
    Image.fromarray(pixels).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)  # Pillow warns from there on
    assert len(read(tmp_path / "a.png").values) == 24


def test_pictures_need_pillow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(FileError, match="install the package pillow"):
        read(empty(tmp_path / "a.jpg"))
    with pytest.raises(FileError, match="unknown file type"):
        read(empty(tmp_path / "a.tga"))
    (tmp_path / "a.csv").write_text("1,2")
    np.testing.assert_array_equal(read(tmp_path / "a.csv").values, [[1, 2]])
