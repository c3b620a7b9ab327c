//! {{description}}.
{{modules}}
/// What the host asks for.
struct Plugin;

lockstep_plugin_sdk::export!(Plugin: {{sides}});
