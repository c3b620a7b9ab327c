//! The list of all error codes, by the module they come from. A code is never reused.

use super::{Class, Code};

macro_rules! codes {
    ($($name:ident = $id:literal $class:ident $title:literal;)*) => {
        $(#[doc = concat!("`", $id, "`: ", $title)] pub static $name: Code = Code { id: $id, class: Class::$class, title: $title };)*
        /// Every code, in order.
        pub static ALL: &[&Code] = &[$(&$name),*];
    };
}

codes! {
    USAGE = "LS0101" User "the command line makes no sense";
    NOT_FOUND = "LS0102" User "the thing named on the command line does not exist";
    CONFIRMATION_NEEDED = "LS0103" User "a destructive command needs `--yes` where nobody can be asked";
    ALREADY_EXISTS = "LS0104" User "the thing to be made is there already";
    AMBIGUOUS = "LS0105" User "the thing named on the command line may be several";

    PROJECT_MISSING = "LS0201" User "there is no `lockstep.toml` here";
    PROJECT_SYNTAX = "LS0202" User "a project file is not valid TOML";
    PROJECT_UNKNOWN_KEY = "LS0203" User "a project file has a key that does not exist";
    PROJECT_VALUE = "LS0204" User "a value in a project file is not what the key needs";
    PROJECT_MISSING_KEY = "LS0205" User "a project file lacks a key that is needed";
    PROJECT_REFERENCE = "LS0206" User "a project file refers to something it does not define";
    SECRET_UNRESOLVED = "LS0207" Environment "a secret reference leads nowhere";
    SECRET_VALUE = "LS0208" User "a secret stands in a project file as a value";
    NOT_YET = "LS0209" User "the project asks for something this version does not do";
    EXPRESSION = "LS0210" User "an expression makes no sense";

    PLUGIN_UNKNOWN = "LS0301" User "there is no plugin of this name";
    PLUGIN_NOT_COMPONENT = "LS0302" User "a plugin file is not a WebAssembly component";
    PLUGIN_MANIFEST = "LS0303" User "a plugin carries no manifest, or one that makes no sense";
    PLUGIN_IMPORT_DENIED = "LS0304" User "a plugin imports something the host does not offer to it";
    PLUGIN_ABI = "LS0305" User "a plugin was built against another version of the contract";
    PLUGIN_DIGEST = "LS0306" User "a plugin is not the one pinned in `lockstep.lock`";
    PLUGIN_TOO_BIG = "LS0307" User "a plugin is too big or too complex to be compiled";
    PLUGIN_COMPILE = "LS0308" User "a plugin could not be compiled";
    PLUGIN_CONFIG = "LS0309" User "a connection's `config` does not fit the plugin's schema";
    PLUGIN_GRANT = "LS0310" User "a connection lacks a grant the plugin needs";
    PLUGIN_EXPORT = "LS0311" User "a plugin cannot do what the project wants of it";
    PLUGIN_BUILD = "LS0312" User "a plugin could not be built";
    PLUGIN_TOOL = "LS0313" Environment "a tool that builds plugins is missing";

    PLUGIN_PANICKED = "LS0401" Plugin "a plugin panicked or trapped";
    PLUGIN_CPU = "LS0402" Plugin "a plugin used up its processor time";
    PLUGIN_WALL = "LS0403" Plugin "a plugin took too long";
    PLUGIN_MEMORY = "LS0404" Plugin "a plugin wanted more memory than it may have";
    PLUGIN_PAYLOAD = "LS0405" Plugin "a plugin passed too much to the host at once";
    PLUGIN_NONSENSE = "LS0406" Plugin "a plugin returned something that makes no sense";
    PLUGIN_LIMIT = "LS0407" Plugin "a plugin went over a limit";
    PLUGIN_STACK = "LS0408" Plugin "a plugin overflowed its stack";
    PLUGIN_RESTARTS = "LS0409" Plugin "a plugin failed too often in a row and its sync gave up";
    PLUGIN_ERROR = "LS0410" Plugin "a plugin reported an error";

    GRANT_ALIAS = "LS0501" User "a plugin used an alias the project does not grant";
    FILE_PATH = "LS0502" Plugin "a path leads out of the granted folder";
    FILE_MISSING = "LS0503" Environment "a file is not there";
    FILE_IO = "LS0504" Environment "a file could not be read or written";
    HTTP_DENIED = "LS0505" User "a request went to an origin the project does not grant";
    HTTP_PRIVATE = "LS0506" User "a request went to a private address";
    HTTP_FAILED = "LS0507" Environment "a request failed";
    SQL_CONNECT = "LS0508" Environment "a database could not be reached";
    SQL_AUTH = "LS0509" Environment "a database refused the credentials";
    SQL_LOST = "LS0510" Environment "a database went away";
    SQL_STATEMENT = "LS0511" Plugin "a database refused a statement";
    SQL_DENIED = "LS0512" Plugin "a plugin tried to leave its database";
    HTTP_AUTH = "LS0513" Environment "an upstream refused the credentials";
    HTTP_LIMITED = "LS0514" Environment "an upstream asks to be asked less";
    HTTP_SUSPENDED = "LS0515" Environment "an origin fails time after time and is left alone for a while";
    HTTP_UNKNOWN = "LS0516" Environment "a request may or may not have been carried out";
    HTTP_BUDGET = "LS0517" Environment "a connection has used up its requests of the day";
    RECORDING_GAP = "LS0518" Plugin "a plugin asks for something that was not recorded";
    RECORDING = "LS0519" User "a recording cannot be made or used";

    DATA_MALFORMED = "LS0601" Data "a record could not be read";
    DATA_RANGE = "LS0602" Data "a value is out of range";
    DATA_LOSSY = "LS0603" Data "a value cannot be converted without loss";
    DATA_REQUIRED = "LS0604" Data "a required value is missing";
    DATA_REJECTED = "LS0605" Data "the target rejected a record";
    DATA_KEY = "LS0606" Data "a record has no usable key";
    DATA_EXPRESSION = "LS0607" Data "an expression failed on a record";

    STREAM_MISSING = "LS0701" User "a stream does not exist";
    KEY_MISSING = "LS0702" User "a stream has no key";
    TARGET_UNFIT = "LS0703" User "the target cannot take these records";
    SCHEMA_DRIFT = "LS0704" Data "the schema changed since it was pinned";
    DELETES_HELD = "LS0705" Data "deletes are held for approval";
    FIELD_MISSING = "LS0706" User "a mapping names a field that does not exist";
    RETRIES_EXHAUSTED = "LS0707" Environment "a sync gave up after repeated failures";
    PLAN_MOVED = "LS0708" Data "what was approved is no longer what would be done";
    DEAD_LETTERS_FULL = "LS0709" Data "too many records of one run were rejected";

    STATE_LOCKED = "LS0801" Environment "another process works on this project";
    STATE_CORRUPT = "LS0802" Environment "the state is damaged";
    STATE_VERSION = "LS0803" User "the state was written by a newer Lockstep";
    DISK_FULL = "LS0804" Environment "the disk is full";
    STATE_IO = "LS0805" Environment "the state could not be read or written";
    STATE_FENCED = "LS0806" Environment "a sync was taken over by another run";
    LINEAGE_BROKEN = "LS0807" Data "the lineage is not what was written";
    LINEAGE_UNDELIVERED = "LS0808" Environment "lineage events could not be delivered";

    ENVIRONMENT = "LS0901" Environment "something this machine should have is missing";
    INTERRUPTED = "LS0902" Environment "the command was interrupted";
    INTERNAL = "LS0999" Bug "a fault of Lockstep itself";
}

/// The code with this id, in any letter case.
pub fn find(id: &str) -> Option<&'static Code> {
    ALL.iter().copied().find(|code| code.id.eq_ignore_ascii_case(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_and_unique() {
        let ids: Vec<_> = ALL.iter().map(|code| code.id).collect();
        let mut sorted = ids.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(ids, sorted);
    }

    #[test]
    fn find_ignores_case() {
        assert_eq!(find("ls0203").map(|code| code.id), Some("LS0203"));
        assert_eq!(find("LS9999"), None);
    }
}
