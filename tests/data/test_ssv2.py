"""Something-Something V2: the official JSON files with videos or frame lists, and the message of each mistake."""

import json

import pytest

from videonet.data import ssv2
from videonet.data.annotation import AnnotationError
from videonet.data.frame_video import FrameVideos
from videonet.data.video import VideoError

TEMPLATES = {
    "Pushing something from left to right": "1",
    "Pushing something from right to left": "2",
    "Approaching something with your camera": "0",
    "Turning the camera left while filming something": "3",
}
ENTRIES = [
    {
        "id": "78687",
        "label": "pushing a cup",
        "template": "Pushing [something] from right to left",
        "placeholders": ["a"],
    },
    {"id": "42326", "label": "x", "template": "Approaching [something] with your camera", "placeholders": []},
    {"id": "100904", "label": "x", "template": "Pushing [something] from left to right", "placeholders": []},
]


@pytest.fixture
def files(tmp_path):
    (tmp_path / "labels.json").write_text(json.dumps(TEMPLATES))
    write_entries(tmp_path, ENTRIES)
    (tmp_path / "videos").mkdir()
    rows = ["original_vido_id video_id frame_id path labels"]
    for number, name in enumerate(["100904", "42326", "78687", "5"]):
        (tmp_path / "videos" / f"{name}.webm").touch()
        rows += [f'{name} {number} {i} {name}/{name}_{i + 1:06d}.jpg ""' for i in range(number + 2)]
    (tmp_path / "train.csv").write_text("\n".join(rows))
    return tmp_path


def write_entries(folder, entries):
    (folder / "train.json").write_text("[" + ",\n".join(json.dumps(entry) for entry in entries) + "]\n")


def read(files, **settings):
    return ssv2.read_ssv2_videos(
        files / "train.json", files / "labels.json", files / "videos", num_classes=4, **settings
    )


def test_videos(files):
    records = read(files)
    assert [(r.path, r.label, r.line) for r in records] == [
        (str(files / "videos" / "78687.webm"), 2, 1),
        (str(files / "videos" / "42326.webm"), 0, 2),
        (str(files / "videos" / "100904.webm"), 1, 3),
    ]
    assert records.classes[0] == "Approaching something with your camera"


def test_frame_lists_in_the_order_of_the_labels(files):
    lists = ssv2.read_ssv2_frames(
        files / "train.json", files / "labels.json", files / "train.csv", root="/f", num_classes=4
    )
    assert [(v.path, v.label) for v in lists.videos] == [("78687", 2), ("42326", 0), ("100904", 1)]
    assert [lists.num_frames(k) for k in range(3)] == [4, 3, 2]
    assert lists.paths(2) == ["/f/100904/100904_000001.jpg", "/f/100904/100904_000002.jpg"]


def test_the_official_174_classes_are_checked(files):
    with pytest.raises(ValueError, match=r"labels.json: 4 classes, expected 174"):
        ssv2.read_templates(files / "labels.json")
    (files / "labels.json").write_text(json.dumps({f"Doing {k}": str(k) for k in range(174)}))
    assert len(ssv2.read_templates(files / "labels.json")) == 174


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": "0", "b": "2"}', "2 classes have ids 0 to 1, but 1 is not there"),
        ('{"a": "0", "b": "0"}', "'b' and 'a' have the same id 0"),
        ('{"a": "first"}', "the id of 'a' is 'first', not a whole number"),
        ('["a"]', "expected an object of templates and ids"),
        ('{"a": "0",\n"b" 2}', "labels.json:2: not JSON"),
    ],
)
def test_broken_templates(files, text, message):
    (files / "labels.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        ssv2.read_templates(files / "labels.json", num_classes=0)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"template": "Pushing [something] from right to left"}, "the entry has no id"),
        (["78687"], "the entry has no id"),
        ({"id": "5"}, "video 5 has no template; the test split has no labels"),
        (
            {"id": "5", "template": "Pushing [something] from right to lef"},
            "'Pushing something from right to lef' is none of the 4",
        ),
        (ENTRIES[0], "video 78687 has an entry already"),
    ],
)
def test_each_broken_entry_has_its_message(files, entry, message):
    write_entries(files, [*ENTRIES[:2], entry, ENTRIES[2]])
    with pytest.raises(AnnotationError) as error:
        read(files)
    assert str(error.value).startswith(f"{files / 'train.json'}:3: ")
    assert message in str(error.value)
    problems = []
    assert len(read(files, problems=problems)) == 3
    assert problems == [str(error.value)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "not a JSON list; it begins with '{}'"),
        ("", "not a JSON list; it begins with ''"),
        ("[]", "no entries; expected a list of"),
        ('[{"id": "1"},\n{"id": 2', r"train.json:2: not JSON"),
    ],
)
def test_files_of_another_kind(files, text, message):
    (files / "train.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        ssv2.read_labels(files / "train.json", ["a"], problems=[])


def test_missing_videos_and_frames_are_named(files):
    write_entries(files, [*ENTRIES, {"id": "77", "template": "Approaching something with your camera"}])
    with pytest.raises(ValueError, match=f"1 of 4 videos are not in {files / 'videos'}: 77"):
        read(files)
    assert read(files, may_miss=0.25)[3].path == str(files / "videos" / "77.webm")
    arguments = files / "train.json", files / "labels.json", files / "train.csv"
    with pytest.raises(ValueError, match=f"1 of 4 videos are not in {files / 'train.csv'}: 77"):
        ssv2.read_ssv2_frames(*arguments, num_classes=4)
    lists = ssv2.read_ssv2_frames(*arguments, num_classes=4, may_miss=0.25)
    assert [lists.num_frames(row) for row in range(4)] == [4, 3, 2, 0] and lists.paths(3) == []
    with pytest.raises(VideoError, match=r"77: missing: .*train.csv lists no frame of it"):
        FrameVideos(lists)(lists.videos[3])


def test_mirroring_exchanges_left_and_right():
    classes = sorted(TEMPLATES, key=lambda name: int(TEMPLATES[name]))
    assert ssv2.mirrored_classes(classes).tolist() == [0, 2, 1, 3]
    assert ssv2.mirrored_classes([*classes, "Turning the camera right while filming something"]).tolist() == [
        0,
        2,
        1,
        4,
        3,
    ]
