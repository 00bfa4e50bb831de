# One-line tasks. `make run` and `make test` need a Debian with Rust, Node.js and a JDK; the rest they see to themselves.
.PHONY: run test test-long lint bench build clean

run: web-demo/node_modules
	@scripts/prepare run
	cargo run --release --bin streamgate -- serve

test: web-demo/node_modules tests/signalr-js/node_modules
	@scripts/prepare test
	cargo build --workspace --bins
	cargo test --workspace

# More rounds of what kills things, and the property tests at length.
test-long: test
	STREAMGATE_TEST_ROUNDS=100 cargo test -p e2e --test kafka_outage
	PROPTEST_CASES=20000 cargo test --workspace --lib --tests --exclude e2e

lint: web-demo/node_modules
	@scripts/prepare run
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

# Server CPU per delivery and memory per connection, against a bare server in the same run.
bench: build
	target/release/loadtest bench --server target/release/streamgate --floor target/release/floor

build: web-demo/node_modules
	@scripts/prepare run
	cargo build --release --workspace --bins

%/node_modules: %/package-lock.json
	cd $* && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

clean:
	rm -rf target web-demo/node_modules tests/signalr-js/node_modules
