//! Two greetings, to start from.

use lockstep_plugin_sdk::prelude::*;
use lockstep_plugin_sdk::source;

use crate::Plugin;

#[derive(Record)]
pub struct Greeting {
    #[record(key)]
    id: i64,
    text: String,
}

impl Source for Plugin {
    type Config = NoConfig;
    type Reader = RecordReader<Greeting>;

    fn discover(_config: NoConfig, names: Vec<String>) -> Result<Vec<Stream>> {
        Ok(source::only(&names, [Greeting::stream("greetings")]))
    }

    fn open(_config: NoConfig, request: ReadRequest) -> Result<Self::Reader> {
        source::expect(&request, ["greetings"])?;
        let texts = ["hello", "world"].map(str::to_owned);
        RecordReader::new(&request, (1..).zip(texts).map(|(id, text)| Ok(Greeting { id, text })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_greets() {
        let reading = lockstep_plugin_sdk::testing::read::<Plugin>(json!({}), "greetings").unwrap();
        assert_eq!(reading.rows, [json!({"id": 1, "text": "hello"}), json!({"id": 2, "text": "world"})]);
    }
}
