//! The one way an engine is made. Every plugin runs under these settings, or cached code would not fit.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{Component, HasSelf, InstancePre, Linker};
use wasmtime::{Config, Engine, Strategy};

use super::bindings::lockstep::plugin as wit;
use super::cache::CompiledCache;
use super::catalog::{PluginBinary, PluginError};
use super::instance::State;
use super::limits::Limits;

pub(super) mod sockets;

/// How often running plugins are asked whether their time is up.
pub(super) const EPOCH_TICK: Duration = Duration::from_millis(10);
/// Stack a plugin's own code may use.
const WASM_STACK_BYTES: usize = 512 << 10;
/// Stack of the fiber a plugin runs on; the difference is the host's, for the functions a plugin calls.
const FIBER_STACK_BYTES: usize = 2 << 20;

/// The engine with everything that is made once per process: linker, ticker, compiled cache.
#[derive(Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    linker: Linker<State>,
    cache: CompiledCache,
    limits: Limits,
}

impl Runtime {
    /// Compiled code is kept in `cache_dir`.
    pub fn new(cache_dir: PathBuf, limits: Limits) -> Result<Self, PluginError> {
        let engine = Engine::new(&config()).map_err(|error| PluginError::Engine(error.to_string()))?;
        let linker = linker(&engine).map_err(|error| PluginError::Engine(error.to_string()))?;
        start_ticker(&engine)?;
        Ok(Self { inner: Arc::new(Inner { cache: CompiledCache::new(cache_dir), engine, linker, limits }) })
    }

    /// The operator's limits; a project can only lower them.
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// Compiles a plugin, or takes it from the cache, and links it to what the host offers.
    pub(super) fn link(&self, binary: &PluginBinary) -> Result<InstancePre<State>, PluginError> {
        let component = self.compile(binary)?;
        sockets::with_dead_ends(&self.inner.linker, &component)
            .and_then(|linker| linker.instantiate_pre(&component))
            .map_err(|error| PluginError::Abi { plugin: binary.label(), reason: format!("{error:#}") })
    }

    fn compile(&self, binary: &PluginBinary) -> Result<Component, PluginError> {
        if let Some(component) = self.inner.cache.load(&self.inner.engine, binary) {
            return Ok(component);
        }
        let failed =
            |error: wasmtime::Error| PluginError::Compile { plugin: binary.label(), reason: format!("{error:#}") };
        let code = self.inner.engine.precompile_component(&binary.bytes).map_err(failed)?;
        self.inner.cache.store(&self.inner.engine, binary, &code);
        super::cache::deserialize_own(&self.inner.engine, &code).map_err(failed)
    }
}

/// Memories per module: several, because what is put between two parts of a composed component reads the one and writes the other.
/// All of an instance count together anyway.
fn config() -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(FIBER_STACK_BYTES)
        .async_stack_zeroing(true)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .wasm_gc(false)
        .wasm_function_references(false)
        .wasm_exceptions(false)
        .wasm_stack_switching(false)
        .wasm_custom_page_sizes(false)
        .wasm_memory64(false)
        .wasm_multi_memory(true)
        .wasm_threads(false)
        .wasm_component_model(true)
        .gc_support(false)
        .shared_memory(false)
        .concurrency_support(false)
        .guard_before_linear_memory(true)
        .generate_address_map(false);
    config
}

/// Everything the host offers; a plugin gets what it imports of it, and each capability asks the connection's grants.
fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    use wasmtime_wasi::cli::{WasiCli, WasiCliView as _};
    use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView as _};
    use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView as _};
    use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, random};
    use wasmtime_wasi::random::WasiRandom;

    let mut linker = Linker::new(engine);
    let l = &mut linker;
    wasmtime_wasi_io::add_to_linker_async(l)?;
    clocks::wall_clock::add_to_linker::<State, WasiClocks>(l, State::clocks)?;
    clocks::monotonic_clock::add_to_linker::<State, WasiClocks>(l, State::clocks)?;
    random::random::add_to_linker::<State, WasiRandom>(l, State::random)?;
    random::insecure::add_to_linker::<State, WasiRandom>(l, State::random)?;
    random::insecure_seed::add_to_linker::<State, WasiRandom>(l, State::random)?;
    cli::environment::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::exit::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::stdin::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::stdout::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::stderr::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_input::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_output::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stdin::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stdout::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stderr::add_to_linker::<State, WasiCli>(l, State::cli)?;
    filesystem::preopens::add_to_linker::<State, WasiFilesystem>(l, State::filesystem)?;
    filesystem::types::add_to_linker::<State, WasiFilesystem>(l, State::filesystem)?;

    wit::types::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    wit::log::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    wit::files::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    wit::sql::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    wit::http::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    Ok(linker)
}

/// Advances the epoch from a thread of its own, so that nothing a plugin does can hold it up; ends with the engine.
fn start_ticker(engine: &Engine) -> Result<(), PluginError> {
    let weak = engine.weak();
    std::thread::Builder::new()
        .name("epoch".to_owned())
        .spawn(move || {
            loop {
                std::thread::sleep(EPOCH_TICK);
                match weak.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
                }
            }
        })
        .map(drop)
        .map_err(|error| PluginError::Engine(format!("cannot start the epoch thread: {error}")))
}
