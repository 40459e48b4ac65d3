.DEFAULT_GOAL := help
.PHONY: help test test-newer test-cluster lint bench servers schemas screenshots demo clean-servers

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-16s%s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# Builds first, so that compile errors show before any server starts.
# `exec`, here and below, lets with-servers receive the signals that stop make.
# The tests below cluster:: need three nodes; see test-cluster.
test: ## Run all tests, against a real RabbitMQ and PostgreSQL (see scripts/with-servers)
	cargo test --locked --all-features --no-run
	python=$$(scripts/python-for-tests) && \
	driver=$$(scripts/chromedriver) && \
	export ORDER_WORKER_TEST_PYTHON="$$python" ORDER_WORKER_TEST_CHROMEDRIVER="$$driver" && \
	exec scripts/with-servers cargo test --locked --all-features -- --include-ignored --skip cluster::

# What the two targets below have in common: the newer servers, whatever servers are set.
newer = servers=$$(scripts/newer-servers) && \
	python=$$(scripts/python-for-tests) && \
	export ORDER_WORKER_TEST_SERVERS_ROOT="$$servers" ORDER_WORKER_TEST_PYTHON="$$python" && \
	unset AMQP_URL DATABASE_URL && \
	exec scripts/with-servers

# Only tests that depend on the servers (they are marked as ignored): the others would be the same as in
# `make test`. So would those in a browser and of a store's web site, which look at pages.
test-newer: ## Run the tests that need servers on newer ones (see scripts/newer-servers), then test-cluster
	cargo test --locked --all-features --no-run --test e2e --test integration
	$(newer) cargo test --locked --all-features --test e2e --test integration -- \
	    --ignored --skip console:: --skip store_site:: --skip cluster::
	@$(MAKE) test-cluster

test-cluster: ## Run the tests that need a RabbitMQ cluster of three nodes, on the newer servers
	cargo test --locked --all-features --no-run --test e2e
	$(newer) --nodes 3 cargo test --locked --all-features --test e2e -- --ignored cluster::

lint: ## Check formatting, lints and documentation
	cargo fmt --check
	cargo clippy --locked --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items

# Options: make bench BENCH=--quick, BENCH="--only latency"; BENCH=--help lists all.
bench: ## Measure the worker on a real RabbitMQ and PostgreSQL, about 15 minutes
	cargo bench --locked --profile dist --no-run --bench worker
	others=$$(scripts/other-workers) && \
	exec scripts/with-servers scripts/bench "$$others" $(BENCH)

servers: ## Start the servers for development, until Ctrl-C
	@exec scripts/with-servers sh -c '\
	    echo "export AMQP_URL=\"$$AMQP_URL\""; \
	    echo "export DATABASE_URL=\"$$DATABASE_URL\""; \
	    echo "(paste these into another terminal; Ctrl-C stops the servers)" >&2; \
	    while :; do sleep 3600; done'

schemas: ## Regenerate the JSON Schemas in schemas/
	cargo run --quiet -- schemas --write

screenshots: ## Retake the screenshots of the console in docs/console/
	cargo test --locked --no-run --test e2e
	driver=$$(scripts/chromedriver) && \
	export ORDER_WORKER_TEST_CHROMEDRIVER="$$driver" ORDER_WORKER_TEST_SCREENSHOTS="$$PWD/docs/console" && \
	exec scripts/with-servers cargo test --locked --test e2e screenshots_of_the_console -- --include-ignored

demo: ## Run the demo
	cargo run --release -- demo

clean-servers: ## Remove servers and data left behind by killed runs
	@scripts/server-ctl clean
