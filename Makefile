# make figures | make lab | make test | make replay | make coverage | make bench | make torture | make clean; each first sets up .venv, if it is missing or its inputs have changed.
PYTHON ?= python3
VENV := .venv
# As the package sets it, for what loads torch before the package.
export GOMP_SPINCOUNT ?= 1000

.PHONY: figures lab test replay coverage notebooks site bench torture clean

figures: $(VENV)/ready
	$(VENV)/bin/python -m atlas_lab figures

lab: $(VENV)/ready
	$(VENV)/bin/jupyter lab --notebook-dir . notebooks/01_explore_the_data.ipynb

# Two files of tests at a time: many train on one thread, or wait for a browser.
test: $(VENV)/ready
	$(VENV)/bin/ruff check .
	$(VENV)/bin/python -m pytest -n 2 --dist loadfile

# Train the first epoch of every record again and hold it against the record: hours; atlas-lab replay RECORD takes some.
replay: $(VENV)/ready
	$(VENV)/bin/python -m atlas_lab replay

# The tests once more, counting the lines of atlas_lab that they run, in every process: at least 95 of 100.
coverage: $(VENV)/ready
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[test,dev]"
	$(VENV)/bin/python -m pytest --cov --cov-report=term-missing:skip-covered --cov-fail-under=95

# For authors: run all notebooks and keep their outputs, without widget state, and hide the answers to predictions.
notebooks: $(VENV)/ready
	@test -z "$$ATLAS_DATA" || { echo "ATLAS_DATA is set: the notebooks' outputs would show patients; unset it" >&2; exit 2; }
	$(VENV)/bin/jupyter nbconvert --to notebook --execute --inplace --ExecutePreprocessor.record_timing=True \
		--ExecutePreprocessor.store_widget_state=False --CoalesceStreamsPreprocessor.enabled=True notebooks/*.ipynb
	$(VENV)/bin/python -m atlas_lab.course.reveal notebooks/*.ipynb

# The web edition, in docs/_build/html: offline, and without a warning or a dead link. Some minutes.
site: $(VENV)/ready
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[lab,site]"
	$(VENV)/bin/python docs/build_site.py

# Speed beside peers, which are installed first: a table, benchmarks/results.json and that of docs/speed.md. A quarter of an hour.
bench: $(VENV)/ready
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[test,bench]"
	$(VENV)/bin/python benchmarks/run.py

# What power cuts, full disks, several commands at once and damaged files do to the lab: a table. Up to an hour.
torture: $(VENV)/ready
	$(VENV)/bin/python benchmarks/torture.py

# Remove all that was derived below ATLAS_LAB_HOME; it is listed, and asked for, first.
clean: $(VENV)/ready
	$(VENV)/bin/python -m atlas_lab clean

$(VENV)/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and \
		'found Python %d.%d; 3.11 or later is needed: make PYTHON=/path/to/python3.11' % sys.version_info[:2] or 0)"
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[lab,test,scan,browser,viewer3d,cluster]"
	@touch $@
