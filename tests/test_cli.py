"""The command line as a person uses it: a process of its own, its output, its errors, its exit codes."""

import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import pytest
from command_line import COMMAND, refused, run
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from plans import listed_plan, plan_of
from waiting import PATIENCE, until

pytestmark = pytest.mark.process


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    path = tmp_path / "plan.json"
    path.write_text(plan_of(2).model_dump_json())
    return path


def test_import_is_light() -> None:
    heavy = "('torch', 'langchain', 'langchain_core', 'diffusers')"
    code = f"import ditpipe, sys; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_the_version(tmp_path: Path) -> None:
    assert run("--version", cwd=tmp_path).stdout == f"ditpipe {version('ditpipe')}\n"


def test_an_empty_brief(tmp_path: Path) -> None:
    refused(run("paint", "  ", cwd=tmp_path), "the brief is empty")


def test_a_brief_of_100_000_characters(tmp_path: Path) -> None:
    refused(run("paint", "x" * 100_000, cwd=tmp_path), "100,000 characters", "4,000")


def test_a_plan_file_that_is_not_json(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("a red cat")
    refused(run("render", "plan.json", cwd=tmp_path), "plan.json", "JSON")


def test_a_plan_that_breaks_the_contract_names_the_field(tmp_path: Path, plan_file: Path) -> None:
    plan = json.loads(plan_file.read_text())
    plan["regions"][1]["box"]["right"] = 1.5
    plan_file.write_text(json.dumps(plan))
    refused(run("render", "plan.json", cwd=tmp_path), "regions.1.box.right")


def test_a_missing_plan_file(tmp_path: Path) -> None:
    refused(run("render", "none.json", cwd=tmp_path), "none.json", "No such file")


def test_a_plan_on_stdin(tmp_path: Path, plan_file: Path, tiny_folder: Path) -> None:
    options, plan = ("--model", str(tiny_folder), "--steps", "1"), plan_file.read_text()
    done = run("render", "-", *options, cwd=tmp_path, input=plan)
    assert done.stdout.strip() == "plan.png", done.stderr
    run("render", "plan.json", *options, "--out", "file.png", cwd=tmp_path)
    assert (tmp_path / "plan.png").read_bytes() == (tmp_path / "file.png").read_bytes()
    for command in (["render", "-"], ["change", "-", "make the cat orange"]):
        refused(run(*command, cwd=tmp_path, input="a red cat"), "the plan on stdin", "not JSON")
        refused(run(*command, cwd=tmp_path, input=" " * 5_000_000), "the plan on stdin", "too many")


def test_an_unknown_model_lists_the_known(tmp_path: Path, plan_file: Path) -> None:
    refused(run("render", "plan.json", "--model", "dall-e", cwd=tmp_path), "pocket, hunyuan-dit")


def test_an_impossible_option(tmp_path: Path) -> None:
    refused(run("paint", "a cat", "--rounds", "0", cwd=tmp_path), "rounds")
    refused(run("paint", "a cat", "--prompt-schedule", "sideways", cwd=tmp_path), "scene-then-regions")


def test_a_missing_weight_file(tmp_path: Path, plan_file: Path, tiny_folder: Path) -> None:
    import shutil

    broken = shutil.copytree(tiny_folder, tmp_path / "broken")
    (broken / "transformer" / "diffusion_pytorch_model.safetensors").unlink()
    refused(run("render", "plan.json", "--model", "broken", cwd=tmp_path), "has no weights")


def test_a_picture_without_a_plan_inside(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "photo.png")
    refused(run("repaint", "photo.png", cwd=tmp_path), "holds no plan")
    (tmp_path / "text.png").write_text("no picture")
    refused(run("repaint", "text.png", cwd=tmp_path), "not a picture")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(run("paint", "a red cat", "--out", "file/runs", cwd=tmp_path), "cannot write to file/runs")


def test_output_for_a_program_is_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    plan = {"scene": {"high_level": "窗边有一只猫 😀"}, "regions": []}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    done = run("import", "plan.json", cwd=tmp_path, PYTHONIOENCODING="cp1252")
    assert json.loads(done.stdout)["scene"]["high_level"] == "窗边有一只猫 😀", done.stderr


def test_a_disk_that_takes_no_more_is_one_clear_line(tmp_path: Path) -> None:
    from ditpipe.prompts.errors import RunError
    from ditpipe.renderer.pictures.artifacts import write

    write(tmp_path / "picture.png", b"old")
    limited = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from ditpipe.renderer.pictures.artifacts import write\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "write(Path('picture.png'), b'x' * 100_000)"
    )
    done = subprocess.run([sys.executable, "-c", limited], cwd=tmp_path, capture_output=True, text=True)
    assert "RunError: cannot write picture.png: File too large" in done.stderr, done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["picture.png"], "no draft is left"
    assert (tmp_path / "picture.png").read_bytes() == b"old"
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write .*below.png"):
        write(tmp_path / "file" / "below.png", b"x")


def test_render_repaint_and_json(tmp_path: Path, plan_file: Path, tiny_folder: Path) -> None:
    done = run(
        "render", "plan.json", "--model", str(tiny_folder), "--steps", "2", "--out", "one.png", "--json", cwd=tmp_path
    )
    assert json.loads(done.stdout)["picture"] == "one.png", done.stderr
    again = run("repaint", "one.png", "--out", "two.png", cwd=tmp_path, DITPIPE_MODEL=str(tiny_folder))
    assert again.stdout.strip() == "two.png"
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_set_edit_and_candidates(tmp_path: Path, plan_file: Path, tiny_folder: Path) -> None:
    from ditpipe.renderer.pictures.artifacts import read_request

    options = ("--model", str(tiny_folder), "--steps", "2", "--json")
    softer = ("--set", "thing 1.feather=2", "--set", "*.strength=0.8", "--set", "negative=blurred")
    run("render", "plan.json", *options, *softer, "--out", "one.png", cwd=tmp_path)
    done = run(
        "edit",
        "one.png",
        "--region",
        "thing 0",
        "--prompt",
        "zzz",
        "--seed",
        "4",
        "--json",
        cwd=tmp_path,
        DITPIPE_MODEL=str(tiny_folder),
    )
    assert json.loads(done.stdout)["picture"] == "one-edited.png", done.stderr
    carried = read_request(tmp_path / "one-edited.png").model_dump()
    assert [region["strength"] for region in carried["plan"]["regions"]] == [0.8, 0.8]
    assert carried["plan"]["regions"][1]["feather"] == 2 and carried["plan"]["negative"] == "blurred"
    assert carried["edits"][0]["changes"][0]["seed"] == 4
    refused(
        run("edit", "one.png", "--region", "cat", "--seed", "4", cwd=tmp_path, DITPIPE_MODEL=str(tiny_folder)),
        "the plan has thing 0, thing 1",
    )
    refused(
        run("edit", "one.png", "--region", "thing 0", cwd=tmp_path, DITPIPE_MODEL=str(tiny_folder)), "nothing to change"
    )
    refused(
        run("edit", "one.png", "--region", "thing 0", "--box", "1,2", cwd=tmp_path, DITPIPE_MODEL=str(tiny_folder)),
        "four numbers",
    )
    refused(run("render", "plan.json", *options, "--set", "cat.colour=red", cwd=tmp_path), "feather, strength")
    done = run("render", "plan.json", *options, "--candidates", "2", cwd=tmp_path)
    scores = [each["score"] for each in json.loads(done.stdout)["pictures"]]
    assert scores == [None, None], done.stderr  # nobody judges the pictures of this model unless told to
    assert (tmp_path / "plan-1.png").read_bytes() != (tmp_path / "plan-2.png").read_bytes()


def test_a_picture_that_nobody_judged_has_no_score(tmp_path: Path) -> None:
    done = run("paint", "a red cat", "--critic", "none", "--steps", "1", "--json", cwd=tmp_path)
    answer = json.loads(done.stdout)
    assert answer["score"] is None and answer["rounds"][0]["score"] is None, done.stderr


def test_an_edit_goes_on_from_the_latents_beside_the_picture_and_keeps_the_files_pixels(
    tmp_path: Path, plan_file: Path, tiny_folder: Path
) -> None:
    run("render", "plan.json", "--model", str(tiny_folder), "--steps", "2", "--out", "one.png", cwd=tmp_path)
    region = ("edit", "--region", "thing 1", "--json")
    first = run(*region, "one.png", "--seed", "4", "--out", "two.png", cwd=tmp_path, DITPIPE_MODEL=str(tiny_folder))
    assert "all of it was drawn first" in first.stderr and "drawn first" in json.loads(first.stdout)["warnings"][0]
    with Image.open(tmp_path / "two.png") as picture:
        notes = PngInfo()
        notes.add_itxt("ditpipe", picture.text["ditpipe"])  # type: ignore[attr-defined]
    Image.new("RGB", (96, 96), "grey").save(tmp_path / "two.png", pnginfo=notes)
    second = run(*region, "two.png", "--seed", "5", "--out", "three.png", cwd=tmp_path, DITPIPE_MODEL=str(tiny_folder))
    warnings = json.loads(second.stdout)["warnings"]  # grey beside what is drawn: its rim is another colour
    assert len(warnings) == 1 and "also changed" in warnings[0], second.stderr
    left = Image.open(tmp_path / "three.png").crop((0, 0, 16, 96))
    assert left.tobytes() == Image.new("RGB", (16, 96), "grey").tobytes()
    run(
        "repaint", "one.png", "--out", "two.png", cwd=tmp_path, DITPIPE_MODEL=str(tiny_folder)
    )  # the latents beside it are of another picture now
    third = run(*region, "two.png", "--seed", "5", cwd=tmp_path, DITPIPE_MODEL=str(tiny_folder))
    assert "drawn first" in json.loads(third.stdout)["warnings"][0]


def test_an_edit_tells_the_scene_what_is_there_now(tmp_path: Path, tiny_folder: Path) -> None:
    from ditpipe.renderer.pictures.artifacts import read_request

    plan = listed_plan().model_copy(update={"width": 96, "height": 96})
    (tmp_path / "plan.json").write_text(plan.model_dump_json())
    run("render", "plan.json", "--model", str(tiny_folder), "--steps", "1", "--out", "one.png", cwd=tmp_path)
    run(
        "edit",
        "one.png",
        "--region",
        "cat",
        "--prompt",
        "dog",
        "--low",
        "blue",
        cwd=tmp_path,
        DITPIPE_MODEL=str(tiny_folder),
    )
    scene = read_request(tmp_path / "one-edited.png").edited_plan.scene
    assert scene.high_level == "a blue dog on the left and a blue rocket on the right at night"


def test_schema_and_models_print_what_they_say(tmp_path: Path) -> None:
    assert "regions" in json.loads(run("schema", cwd=tmp_path).stdout)["properties"]
    rows = json.loads(run("models", "--json", cwd=tmp_path, HF_HOME=str(tmp_path)).stdout)
    assert rows["pocket"]["here"] and rows["pocket"]["partial_edits"] and rows["pocket"]["controlnets"]
    qwen = rows["qwen-image"]
    assert (qwen["here"], qwen["regions"], qwen["partial_edits"]) == (False, "joint attention", False)
    assert qwen["languages"] == ["English", "Chinese"] and qwen["negatives"] and not rows["flux.2-klein"]["negatives"]
    drawing = rows.keys() - {"pocket", "planners", "other_names", "networks"}
    assert all(rows[name]["card"].startswith("https://") for name in drawing)
    refused(run("schema", "poem", cwd=tmp_path), "scene-plan, critique, revision")


def test_a_run_that_ctrl_c_ended_after_its_plan_can_be_resumed(tmp_path: Path) -> None:
    """The real thing: planner, renderer and critic as shipped; stopped in the middle, then finished."""
    process = subprocess.Popen(
        [*COMMAND, "paint", "a red cat on the left and a blue rocket on the right", "--steps", "900", "--rounds", "1"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip

    def is_planned() -> bool:
        assert process.poll() is None, process.communicate()
        return any(tmp_path.glob("runs/*/plan.json"))

    until(is_planned)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    folder = next(tmp_path.glob("runs/*"))
    assert process.returncode == 130 and "ditpipe resume" in errors and "Traceback" not in errors
    assert f"{folder.name} --large" in errors and not (folder / "picture.png").exists()
    refused(run("resume", str(folder), cwd=tmp_path), "asks for at most 900 steps", "at most 200 steps", "--large")
    record = json.loads((folder / "run.json").read_text())
    record["settings"]["steps"] = 4
    (folder / "run.json").write_text(json.dumps(record))
    done = run("resume", str(folder), "--json", cwd=tmp_path)
    assert Path(json.loads(done.stdout)["picture"]).name == "picture.png", done.stderr
    assert "drawing at most 4 steps, with the model pocket" in " ".join(done.stderr.split())
    events = [json.loads(line)["event"] for line in (folder / "events.jsonl").read_text().splitlines()]
    assert events == ["planned", "rendered", "critiqued", "finished"]  # planned once: the plan was not made again


def test_a_critic_that_cannot_be_reached_leaves_the_round_and_says_how_to_go_on(tmp_path: Path) -> None:
    nobody = "http://127.0.0.1:9/v1"
    said = ("--steps", "4", "--rounds", "1", "--critic", "any", "--base-url", nobody, "--json")
    done = run("paint", "a red cat on the left and a blue rocket on the right", *said, cwd=tmp_path)
    folder = next((tmp_path / "runs").iterdir()).relative_to(tmp_path)
    go_on = f"ditpipe resume {folder} --critic any --base-url {nobody}"
    answer = json.loads(done.stdout)
    assert answer["score"] is None and answer["resume"] == go_on, done.stderr
    assert any("round 1 was not judged: cannot reach http://127.0.0.1:9/v1" in text for text in answer["warnings"])
    drawn = (tmp_path / folder / "round-1" / "candidate-1.png").stat().st_mtime_ns
    refused(run("resume", str(folder), cwd=tmp_path), "critic 'any' (yours: 'auto')", f"To agree: {go_on};")
    done = run("resume", str(folder), "--critic", "embedded", "--base-url", "", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["score"] is not None, done.stderr
    assert (tmp_path / folder / "round-1" / "candidate-1.png").stat().st_mtime_ns == drawn


def test_an_option_that_would_be_ignored_is_refused(tmp_path: Path, plan_file: Path) -> None:
    refused(run("paint", "a cat", "--base-url", "http://127.0.0.1:9/v1", cwd=tmp_path), "neither planner nor critic")
    refused(run("schema", cwd=tmp_path, DITPIPE_ROUND="5"), "DITPIPE_ROUND is no setting", "DITPIPE_ROUNDS")
    refused(run("mcp", "--keys", "file", cwd=tmp_path), "--http")
    refused(run("render", "plan.json", "--out", str(tmp_path), cwd=tmp_path), "is a folder")
    refused(run("render", "plan.json", "--out", "plan.json/x.png", cwd=tmp_path), "plan.json is not a folder")
    assert run("serve", "--port", "99999", cwd=tmp_path).returncode == 2
    assert not (tmp_path / "runs").exists()


def test_printing_tools_and_finding_weights_leaves_nothing_behind(tmp_path: Path) -> None:
    assert json.loads(run("tools", cwd=tmp_path).stdout)
    assert run("models", "pull", "embedded", cwd=tmp_path).stdout.strip().endswith(".gguf")
    assert not list(tmp_path.iterdir())


def test_an_edit_can_take_the_low_level_away_and_change_when_and_what_is_seen(
    tmp_path: Path, plan_file: Path, tiny_folder: Path
) -> None:
    from ditpipe.renderer.pictures.artifacts import read_request

    run("render", "plan.json", "--model", str(tiny_folder), "--steps", "2", "--guidance", "3", "--out", "one.png",
        cwd=tmp_path)  # fmt: skip
    said = ("--low", "", "--start", "0.1", "--end", "0.9", "--z-order", "2")
    done = run("edit", "one.png", "--region", "thing 1", *said, cwd=tmp_path, DITPIPE_MODEL=str(tiny_folder))
    request = read_request(tmp_path / "one-edited.png")
    region = request.edited_plan.region("thing 1")
    assert (region.prompt.low_level, region.start, region.end, region.z_order) == ("", 0.1, 0.9, 2), done.stderr
    assert request.guidance_scale == 3


@pytest.fixture
def deaf() -> Iterator[socket.socket]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE)
        yield server


def waiting_for(deaf: socket.socket, folder: Path, *command: str) -> tuple[subprocess.Popen[str], socket.socket]:
    """A command that waits for a model's answer, and its connection."""
    url = f"http://127.0.0.1:{deaf.getsockname()[1]}/v1"
    process = subprocess.Popen(
        [*COMMAND, *command, "a red cat", "--planner", "any", "--base-url", url, "--out", str(folder / "there")],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"OPENAI_API_KEY": "x"},
    )  # fmt: skip
    return process, deaf.accept()[0]


def test_ctrl_c_ends_a_plan_whose_model_never_answers(tmp_path: Path, deaf: socket.socket) -> None:
    process, connection = waiting_for(deaf, tmp_path, "plan")
    with connection:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130 and errors == "ditpipe: stopped\n"


def test_ctrl_c_ends_a_batch_whose_planner_never_answers(tmp_path: Path, deaf: socket.socket) -> None:
    (tmp_path / "a red cat").write_text('"a cat"\n')  # the file of its lines
    process, connection = waiting_for(deaf, tmp_path, "batch", "--json")
    with connection:
        process.send_signal(signal.SIGINT)
        answer, errors = process.communicate(timeout=30)
    assert process.returncode == 130 and json.loads(answer)["pending"] == 1
    assert errors.endswith("ditpipe: stopped; the same command goes on\n")


def test_a_second_ctrl_c_ends_a_painting_whose_model_never_answers(tmp_path: Path, deaf: socket.socket) -> None:
    process, connection = waiting_for(deaf, tmp_path, "paint", "--critic", "none")
    with connection:
        process.send_signal(signal.SIGINT)
        assert process.stderr and any("Ctrl-C again stops at once" in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130 and "stopped" in errors and "Traceback" not in errors
    folder = next((tmp_path / "there").iterdir())
    assert f"ditpipe resume {folder}" in errors


def test_ctrl_c_at_the_question_ends_the_command(tmp_path: Path) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execv(COMMAND[0], [*COMMAND, "paint", "a red cat", "--approve"])
    screen = b""
    with suppress(OSError):  # its end
        while True:
            screen += os.read(terminal, 4096)
            if b"Draw this?" in screen and b"^C" not in screen:
                os.write(terminal, b"\x03")
                screen += b"^C"
    _, status = os.waitpid(pid, 0)
    folder = next((tmp_path / "runs").iterdir())
    assert os.waitstatus_to_exitcode(status) == 130 and f"resume runs/{folder.name}".encode() in screen, screen.decode()


def test_models_lists_planners_and_says_what_auto_is(tmp_path: Path) -> None:
    listed = json.loads(run("models", "--json", cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path)).stdout)
    assert listed["planners"]["embedded"]["here"] and not listed["planners"]["qwen2.5-coder-1.5b"]["here"]


def test_pulling_an_unknown_planner_lists_the_known(tmp_path: Path) -> None:
    refused(run("models", "pull", "gpt-5", cwd=tmp_path), "unknown name 'gpt-5'", "qwen2.5-coder-1.5b", "embedded")


def test_a_planner_that_is_not_here_says_how_to_fetch_it(tmp_path: Path) -> None:
    result = run("plan", "a cat", "--planner", "qwen2.5-coder-1.5b", cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path))
    refused(result, "ditpipe models pull qwen2.5-coder-1.5b")
