//! The manifests that come with the plugin, as the build script has packed them.

use lockstep_json::Node;

const PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/apis.bin"));

/// All of them, by name; nothing if they were packed otherwise.
pub fn all() -> Node {
    let mut reader = Reader { rest: PACKED, strings: Vec::new() };
    reader.read().unwrap_or_default()
}

struct Reader {
    rest: &'static [u8],
    strings: Vec<&'static str>,
}

impl Reader {
    fn read(&mut self) -> Option<Node> {
        for _ in 0..self.number()? {
            let length = self.number()?;
            let (string, rest) = self.rest.split_at_checked(length)?;
            self.strings.push(std::str::from_utf8(string).ok()?);
            self.rest = rest;
        }
        self.node()
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    fn number(&mut self) -> Option<usize> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte()?;
            number |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return Some(number);
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        let place = self.number()?;
        self.strings.get(place).map(|string| (*string).to_owned())
    }

    fn node(&mut self) -> Option<Node> {
        Some(match self.byte()? {
            0 => Node::Null,
            1 => Node::Bool(false),
            2 => Node::Bool(true),
            3 => Node::Number(self.string()?),
            4 => Node::Text(self.string()?),
            5 => {
                let mut list = Vec::new();
                for _ in 0..self.number()? {
                    list.push(self.node()?);
                }
                Node::List(list)
            }
            _ => {
                let mut members = Vec::new();
                for _ in 0..self.number()? {
                    members.push((self.string()?, self.node()?));
                }
                Node::Object(members)
            }
        })
    }
}
