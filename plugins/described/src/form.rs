//! Bodies of forms, and other small ways of writing.

use lockstep_json::Node;
use lockstep_plugin_sdk::http::encode;

/// A document as a form, with what is nested in brackets: `a=1&b[c]=2&d[0]=3`. Null empties a field.
pub fn form_body(document: &Node) -> String {
    let mut out = String::new();
    document.members().iter().for_each(|(name, value)| add(&mut out, &encode(name), value));
    out
}

fn add(out: &mut String, name: &str, value: &Node) {
    match value {
        Node::Object(members) => {
            members.iter().for_each(|(key, value)| add(out, &format!("{name}[{}]", encode(key)), value));
        }
        Node::List(list) => {
            list.iter().enumerate().for_each(|(at, value)| add(out, &format!("{name}[{at}]"), value));
        }
        plain => {
            if !out.is_empty() {
                out.push('&');
            }
            out.push_str(name);
            out.push('=');
            out.push_str(&encode(&plain.said().unwrap_or_default()));
        }
    }
}

/// RFC 1321, for APIs that name records by the digest of a text. It protects nothing.
pub fn md5(text: &str) -> String {
    let mut message = text.as_bytes().to_vec();
    message.push(0x80);
    while message.len() % 64 != 56 {
        message.push(0);
    }
    message.extend((text.len() as u64).wrapping_mul(8).to_le_bytes());
    let mut state: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    let (blocks, _) = message.as_chunks::<64>();
    for block in blocks {
        let (words, _) = block.as_chunks::<4>();
        let words: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
        let before = state;
        for round in 0..64_u32 {
            step(&mut state, round, &words);
        }
        for (word, before) in state.iter_mut().zip(before) {
            *word = word.wrapping_add(before);
        }
    }
    state.iter().flat_map(|word| word.to_le_bytes()).map(|byte| format!("{byte:02x}")).collect()
}

/// The table of the standard: the sines of the rounds' numbers, as fractions of 2^32.
const CONSTANTS: [u32; 64] = [
    0xd76a_a478,
    0xe8c7_b756,
    0x2420_70db,
    0xc1bd_ceee,
    0xf57c_0faf,
    0x4787_c62a,
    0xa830_4613,
    0xfd46_9501,
    0x6980_98d8,
    0x8b44_f7af,
    0xffff_5bb1,
    0x895c_d7be,
    0x6b90_1122,
    0xfd98_7193,
    0xa679_438e,
    0x49b4_0821,
    0xf61e_2562,
    0xc040_b340,
    0x265e_5a51,
    0xe9b6_c7aa,
    0xd62f_105d,
    0x0244_1453,
    0xd8a1_e681,
    0xe7d3_fbc8,
    0x21e1_cde6,
    0xc337_07d6,
    0xf4d5_0d87,
    0x455a_14ed,
    0xa9e3_e905,
    0xfcef_a3f8,
    0x676f_02d9,
    0x8d2a_4c8a,
    0xfffa_3942,
    0x8771_f681,
    0x6d9d_6122,
    0xfde5_380c,
    0xa4be_ea44,
    0x4bde_cfa9,
    0xf6bb_4b60,
    0xbebf_bc70,
    0x289b_7ec6,
    0xeaa1_27fa,
    0xd4ef_3085,
    0x0488_1d05,
    0xd9d4_d039,
    0xe6db_99e5,
    0x1fa2_7cf8,
    0xc4ac_5665,
    0xf429_2244,
    0x432a_ff97,
    0xab94_23a7,
    0xfc93_a039,
    0x655b_59c3,
    0x8f0c_cc92,
    0xffef_f47d,
    0x8584_5dd1,
    0x6fa8_7e4f,
    0xfe2c_e6e0,
    0xa301_4314,
    0x4e08_11a1,
    0xf753_7e82,
    0xbd3a_f235,
    0x2ad7_d2bb,
    0xeb86_d391,
];

fn step(state: &mut [u32; 4], round: u32, words: &[u32]) {
    let [a, b, c, d] = *state;
    let (mixed, place, turns) = match round / 16 {
        0 => ((b & c) | (!b & d), round, [7, 12, 17, 22]),
        1 => ((d & b) | (!d & c), 5 * round + 1, [5, 9, 14, 20]),
        2 => (b ^ c ^ d, 3 * round + 5, [4, 11, 16, 23]),
        _ => (c ^ (b | !d), 7 * round, [6, 10, 15, 21]),
    };
    let constant = CONSTANTS.get(round as usize).copied().unwrap_or_default();
    let word = words.get((place % 16) as usize).copied().unwrap_or_default();
    let turn = turns.get((round % 4) as usize).copied().unwrap_or_default();
    let sum = a.wrapping_add(mixed).wrapping_add(constant).wrapping_add(word);
    *state = [d, b.wrapping_add(sum.rotate_left(turn)), b, c];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_write_what_is_nested_in_brackets() {
        let body =
            Node::read(br#"{"name":"a b&c","address":{"city":"x"},"items":[{"price":"p"},"q"],"none":null,"is":true}"#);
        let expected = "name=a%20b%26c&address[city]=x&items[0][price]=p&items[1]=q&none=&is=true";
        assert_eq!(form_body(&body.unwrap()), expected);
    }

    #[test]
    fn digests_are_those_of_the_standard() {
        for (text, digest) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            (
                "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
                "57edf4a22be3c955ac49da2e2107b67a",
            ),
            ("urist.mcvankab@freddiesjokes.com", "62eeb292278cc15f5817cb78f7790b08"),
        ] {
            assert_eq!(md5(text), digest);
        }
    }
}
