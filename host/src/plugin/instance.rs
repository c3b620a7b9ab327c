//! One live instance of a plugin, and the only way into it.
//!
//! Every entry runs under both deadlines: processor time by epochs, wall time by a timer, which also covers the time a plugin
//! spends in host calls. After anything but a regular return the instance is dead and is never entered again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use wasmtime::component::{Instance, InstancePre, ResourceTable};
use wasmtime::{ResourceLimiter, Store, UpdateDeadline};
use wasmtime_wasi::random::{Deterministic, WasiRandomCtx};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxView, WasiView};

use super::capability::http::Lane;
use super::catalog::PluginBinary;
use super::engine::{EPOCH_TICK, Runtime};
use super::fault::{Circumstances, CpuExceeded};
use super::grants::Grants;
use super::limits::Limits;
use super::output::Output;
use super::tape::Tape;
use crate::connector::Failure;
use crate::error::codes;
use crate::world::Clock;

/// What the host keeps for one instance.
pub(super) struct State {
    pub wasi: WasiCtx,
    pub table: ResourceTable,
    pub grants: Arc<Grants>,
    pub limits: Arc<Limits>,
    pub output: Output,
    /// `csv@0.1.0`.
    pub plugin: Arc<str>,
    /// What the present call is for.
    pub lane: Lane,
    memory: MemoryLimiter,
    /// Epoch ticks left in this call.
    ticks_left: u64,
}

impl State {
    pub fn random(&mut self) -> &mut WasiRandomCtx {
        self.wasi.random()
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl wasmtime_wasi_io::IoView for State {
    fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }
}

/// Whether a plugin sees time and chance, or a world that never changes.
#[derive(Clone)]
pub(super) enum Surroundings {
    /// Coarse clocks and random numbers.
    Real(Arc<dyn Clock>),
    /// Time stands still and chance repeats itself: the same input gives the same output.
    Frozen,
    /// What a recording says.
    Taped(Tape),
}

/// A plugin that is linked and can be instantiated.
pub(super) struct Blueprint {
    pub runtime: Runtime,
    pub pre: InstancePre<State>,
    pub plugin: Arc<str>,
    pub grants: Arc<Grants>,
    pub limits: Arc<Limits>,
    pub surroundings: Surroundings,
    /// Bytes of memory of the largest instance so far.
    pub memory_peak: Arc<AtomicUsize>,
}

impl Blueprint {
    pub fn new(
        runtime: &Runtime,
        binary: &PluginBinary,
        grants: Grants,
        limits: Limits,
        surroundings: Surroundings,
    ) -> Result<Self, super::catalog::PluginError> {
        Ok(Self {
            pre: runtime.link(binary)?,
            runtime: runtime.clone(),
            plugin: binary.label().into(),
            grants: Arc::new(grants),
            limits: Arc::new(limits),
            surroundings,
            memory_peak: Arc::default(),
        })
    }

    /// A fresh instance. Start functions already run under the limits.
    pub async fn instantiate(&self) -> Result<Guest, Failure> {
        let mut store = Store::new(self.runtime.engine(), self.state());
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(self.limits.hostcall_bytes);
        store.set_max_component_handles(self.limits.handles);
        store.epoch_deadline_callback(|mut store| {
            let state = store.data_mut();
            match state.ticks_left.checked_sub(1) {
                Some(left) => {
                    state.ticks_left = left;
                    Ok(UpdateDeadline::Yield(1))
                }
                None => Err(CpuExceeded.into()),
            }
        });
        let mut guest = Guest { store, instance: None };
        let pre = self.pre.clone();
        let instance = guest.enter("start", async move |store, _| pre.instantiate_async(&mut *store).await).await?;
        guest.instance = Some(instance);
        Ok(guest)
    }

    fn state(&self) -> State {
        let output = Output::new(self.plugin.to_string(), self.limits.log_bytes_per_call);
        let mut table = ResourceTable::new();
        table.set_max_capacity(self.limits.handles);
        State {
            wasi: wasi_context(&self.surroundings, &output),
            table,
            grants: self.grants.clone(),
            limits: self.limits.clone(),
            output,
            plugin: self.plugin.clone(),
            lane: Lane::Bulk,
            memory: MemoryLimiter::new(&self.limits, self.memory_peak.clone()),
            ticks_left: 0,
        }
    }
}

/// A live instance.
pub(super) struct Guest {
    pub store: Store<State>,
    instance: Option<Instance>,
}

impl Guest {
    /// Calls into the plugin under both deadlines. After an error the instance must be dropped.
    pub async fn call<T>(
        &mut self,
        function: &str,
        body: impl AsyncFnOnce(&mut Store<State>, &Instance) -> wasmtime::Result<T>,
    ) -> Result<T, Failure> {
        let Some(instance) = self.instance else {
            return Err(self.circumstances_failure(function, &wasmtime::format_err!("it has no instance")));
        };
        self.enter(function, async move |store, _| body(store, &instance).await).await
    }

    async fn enter<T>(
        &mut self,
        function: &str,
        body: impl AsyncFnOnce(&mut Store<State>, ()) -> wasmtime::Result<T>,
    ) -> Result<T, Failure> {
        let limits = self.store.data().limits.clone();
        let state = self.store.data_mut();
        state.ticks_left = ticks(limits.cpu_per_call);
        state.memory.refused = false;
        state.lane = lane(function);
        state.output.begin_call();
        self.store.set_epoch_deadline(1);
        let outcome = tokio::time::timeout(limits.wall_per_call, body(&mut self.store, ())).await;
        match outcome {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                self.instance = None;
                Err(self.circumstances_failure(function, &error))
            }
            Err(_) => {
                self.instance = None;
                let seconds = limits.wall_per_call.as_secs_f64();
                Err(self.fault(&codes::PLUGIN_WALL, function, format!("took longer than {seconds} s in {function}")))
            }
        }
    }

    /// As [`Guest::nonsense`], with the rule of the contract that was broken: `page-rows`, `cursor`.
    pub fn breach(&self, function: &str, rule: &str, what: impl std::fmt::Display) -> Failure {
        self.nonsense(function, what).with(RULE_PROPERTY, rule)
    }

    /// Whether it holds so much memory that the next call had better begin with a fresh one: memories never shrink, and what a
    /// runtime with a collector of its own has once grown to, it keeps.
    pub fn is_worn(&self) -> bool {
        let state = self.store.data();
        state.memory.bytes_left < state.limits.memory_bytes / 2
    }

    /// A failure of this plugin that was found by looking at what it returned.
    pub fn nonsense(&self, function: &str, what: impl std::fmt::Display) -> Failure {
        self.fault(&codes::PLUGIN_NONSENSE, function, format!("returned nonsense from {function}: {what}"))
    }

    fn fault(&self, code: &'static crate::error::Code, function: &str, what: String) -> Failure {
        let state = self.store.data();
        let stderr = state.output.tail();
        Circumstances { plugin: &state.plugin, function, stderr: &stderr, memory_refused: false }.fault(code, what)
    }

    fn circumstances_failure(&self, function: &str, error: &wasmtime::Error) -> Failure {
        let state = self.store.data();
        let stderr = state.output.tail();
        let memory_refused = state.memory.refused;
        Circumstances { plugin: &state.plugin, function, stderr: &stderr, memory_refused }.failure(error)
    }
}

/// The property of a failure that says which rule was broken.
pub const RULE_PROPERTY: &str = "rule";

/// Reading and comparing streams asks for as much as there is; for everything else somebody waits.
fn lane(function: &str) -> Lane {
    if function.starts_with("sink.") || function.starts_with("lookup.") { Lane::Edit } else { Lane::Bulk }
}

fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_millis() / EPOCH_TICK.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// Counts all memories and tables of an instance together: the engine's own limits count each for itself.
struct MemoryLimiter {
    bytes_left: usize,
    elements_left: usize,
    core_instances: usize,
    /// Whether a wish was refused in this call.
    refused: bool,
    bytes: usize,
    /// Of all instances.
    peak: Arc<AtomicUsize>,
}

impl MemoryLimiter {
    fn new(limits: &Limits, peak: Arc<AtomicUsize>) -> Self {
        Self {
            bytes_left: limits.memory_bytes,
            elements_left: limits.table_elements,
            core_instances: limits.core_instances,
            refused: false,
            bytes: 0,
            peak,
        }
    }

    fn grow(left: &mut usize, current: usize, desired: usize, maximum: Option<usize>) -> bool {
        let wanted = desired.saturating_sub(current);
        let fits = maximum.is_none_or(|maximum| desired <= maximum) && wanted <= *left;
        if fits {
            *left -= wanted;
        }
        fits
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let grown = Self::grow(&mut self.bytes_left, current, desired, maximum);
        self.refused |= !grown;
        if grown {
            self.bytes = self.bytes.saturating_add(desired.saturating_sub(current));
            self.peak.fetch_max(self.bytes, Ordering::Relaxed);
        }
        Ok(grown)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let grown = Self::grow(&mut self.elements_left, current, desired, maximum);
        self.refused |= !grown;
        Ok(grown)
    }

    fn instances(&self) -> usize {
        self.core_instances
    }

    fn tables(&self) -> usize {
        self.core_instances
    }

    fn memories(&self) -> usize {
        self.core_instances
    }
}

/// Random bytes a plugin may ask for at once.
const RANDOM_BYTES_MAX: u64 = 64 << 10;

/// No environment, no arguments, no folders, no sockets.
fn wasi_context(surroundings: &Surroundings, output: &Output) -> WasiCtx {
    let mut builder = WasiCtx::builder();
    builder.stdout(output.clone()).stderr(output.clone()).max_random_size(RANDOM_BYTES_MAX);
    builder.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
    match surroundings {
        Surroundings::Real(clock) => {
            builder.wall_clock(CoarseClock(clock.clone())).monotonic_clock(CoarseClock(clock.clone()));
        }
        Surroundings::Frozen => {
            builder.wall_clock(FrozenClock).monotonic_clock(FrozenClock);
            builder.secure_random(Deterministic::new(vec![0x5a; 8])).insecure_random(Deterministic::new(vec![0xa5; 8]));
            builder.insecure_random_seed(0);
        }
        Surroundings::Taped(tape) => {
            builder.wall_clock(TapeClock(tape.clone())).monotonic_clock(TapeClock(tape.clone()));
            let chance = tape.chance();
            let seed = chance.iter().take(8).fold(0, |seed, byte| (seed << 8) | u128::from(*byte));
            builder.secure_random(Deterministic::new(chance.clone())).insecure_random(Deterministic::new(chance));
            builder.insecure_random_seed(seed);
        }
    }
    builder.build()
}

/// A clock that is too coarse to measure other people's work with.
struct CoarseClock(Arc<dyn Clock>);

const COARSE: Duration = Duration::from_millis(1);

fn coarse(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

impl HostWallClock for CoarseClock {
    fn resolution(&self) -> Duration {
        COARSE
    }

    fn now(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.now().timestamp_millis()).unwrap_or(0))
    }
}

impl HostMonotonicClock for CoarseClock {
    fn resolution(&self) -> u64 {
        u64::try_from(COARSE.as_nanos()).unwrap_or(u64::MAX)
    }

    fn now(&self) -> u64 {
        u64::try_from(coarse(self.0.elapsed()).as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Moves on with each answer, and stands still in between.
struct TapeClock(Tape);

impl HostWallClock for TapeClock {
    fn resolution(&self) -> Duration {
        COARSE
    }

    fn now(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.now().timestamp_millis()).unwrap_or(0))
    }
}

impl HostMonotonicClock for TapeClock {
    fn resolution(&self) -> u64 {
        u64::try_from(COARSE.as_nanos()).unwrap_or(u64::MAX)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

struct FrozenClock;

impl HostWallClock for FrozenClock {
    fn resolution(&self) -> Duration {
        COARSE
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl HostMonotonicClock for FrozenClock {
    fn resolution(&self) -> u64 {
        u64::try_from(COARSE.as_nanos()).unwrap_or(u64::MAX)
    }

    fn now(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_writes_or_looks_up_is_waited_for() {
        for function in ["sink.write", "sink.flush", "sink.prepare", "lookup.lookup"] {
            assert_eq!(lane(function), Lane::Edit, "{function}");
        }
        for function in ["start", "source.open", "source.next", "compare.entries"] {
            assert_eq!(lane(function), Lane::Bulk, "{function}");
        }
    }
}
