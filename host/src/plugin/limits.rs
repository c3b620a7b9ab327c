//! Every limit on a plugin, in one table, all on by default.

use std::time::Duration;

/// What one instance of a plugin may use. A project may lower a limit; only the operator may raise one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Processor time of one call into the plugin. A page of ten thousand rows takes a tenth of a second; a hundred times that
    /// is a loop.
    pub cpu_per_call: Duration,
    /// Wall time of one call, host calls included: epochs do not interrupt those. Long enough for a slow merge in a database.
    pub wall_per_call: Duration,
    /// All linear memories of an instance together. A page, its copy and a codec's tables fit several times.
    pub memory_bytes: usize,
    /// Elements of all tables of an instance together; Rust plugins have a few thousand.
    pub table_elements: usize,
    /// Core instances inside one component; component adapters need a handful.
    pub core_instances: usize,
    /// Live handles of an instance, on either side.
    pub handles: usize,
    /// Bytes a plugin may pass to the host in one call: the largest page plus its bookkeeping.
    pub hostcall_bytes: usize,
    /// Rows the host asks for per page.
    pub page_rows: u32,
    /// Bytes the host asks for per page. A page may be larger by one record.
    pub page_bytes: u64,
    /// Bytes of a cursor.
    pub cursor_bytes: usize,
    /// Bytes of log lines and standard output kept per call.
    pub log_bytes_per_call: usize,
    /// Bytes of an HTTP response after decoding.
    pub http_response_bytes: u64,
    /// Requests one `http.send` performs side by side.
    pub http_in_flight: usize,
    /// Files `files.list-files` names.
    pub files_listed: usize,
    /// Bytes of the component before it is compiled.
    pub component_bytes: usize,
    /// Functions of the component before it is compiled.
    pub component_functions: u32,
    /// Bytes of the largest function body before it is compiled: the code generator is not linear in it.
    pub function_bytes: usize,
    /// Nested modules, components and instances before it is compiled.
    pub component_parts: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cpu_per_call: Duration::from_secs(10),
            wall_per_call: Duration::from_secs(120),
            memory_bytes: 128 << 20,
            table_elements: 100_000,
            core_instances: 32,
            handles: 10_000,
            hostcall_bytes: 32 << 20,
            page_rows: 10_000,
            page_bytes: 4 << 20,
            cursor_bytes: 64 << 10,
            log_bytes_per_call: 64 << 10,
            http_response_bytes: 64 << 20,
            http_in_flight: 8,
            files_listed: 100_000,
            component_bytes: 48 << 20,
            component_functions: 20_000,
            function_bytes: 512 << 10,
            component_parts: 100,
        }
    }
}

impl Limits {
    /// These limits with some of them lowered; a wish to raise one is cut to what it is.
    pub fn lowered(&self, wish: &LimitWish) -> Self {
        let mut limits = self.clone();
        lower(&mut limits.cpu_per_call, wish.cpu_per_call);
        lower(&mut limits.wall_per_call, wish.wall_per_call);
        lower(&mut limits.memory_bytes, wish.memory_bytes);
        lower(&mut limits.page_rows, wish.page_rows);
        lower(&mut limits.page_bytes, wish.page_bytes);
        limits
    }
}

/// Limits a project wants to be lower.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitWish {
    pub cpu_per_call: Option<Duration>,
    pub wall_per_call: Option<Duration>,
    pub memory_bytes: Option<usize>,
    pub page_rows: Option<u32>,
    pub page_bytes: Option<u64>,
}

fn lower<T: Ord + Copy>(limit: &mut T, wish: Option<T>) {
    if let Some(wish) = wish {
        *limit = (*limit).min(wish);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_lowers_but_never_raises() {
        let limits = Limits::default();
        let wish = LimitWish { page_rows: Some(10), memory_bytes: Some(usize::MAX), ..LimitWish::default() };
        let lowered = limits.lowered(&wish);
        assert_eq!(lowered.page_rows, 10);
        assert_eq!(lowered.memory_bytes, limits.memory_bytes);
    }
}
