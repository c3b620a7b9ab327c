//! A source of two greetings.
use lockstep_plugin_sdk::{prelude::*, source};

struct Hello;
#[derive(Record)]
struct Greeting {
    #[record(key)]
    id: i64,
    text: String,
}
impl Source for Hello {
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
export!(Hello: source);
