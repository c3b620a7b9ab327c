//! Calling codes (ITU-T E.164, assigned codes), the countries they belong to (ISO 3166), and how numbers are dialled there: the
//! trunk prefix that leads to another area, and the prefix that leads abroad (ITU-T operational bulletins).
//!
//! Only what is certain is here. Where mobile and fixed numbers are dialled differently, or where a prefix chooses a carrier, the
//! rule is unknown, and national numbers are not understood.

/// A calling code.
#[derive(Debug, PartialEq, Eq)]
pub struct CallingCode {
    /// `49`.
    pub digits: &'static str,
    pub trunk: Trunk,
    /// What is dialled there for a plus sign, if it is one thing.
    pub international_prefix: Option<&'static str>,
}

/// How a number is dialled from another area of its country.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trunk {
    /// As it is, with so many digits.
    Never(usize, usize),
    /// With this prefix.
    Always(&'static str),
    /// With or without this prefix, with so many digits behind it.
    Sometimes(&'static str, usize, usize),
    /// Nobody here knows.
    Unknown,
}

impl Trunk {
    /// The prefix, where there is one.
    pub fn prefix(self) -> Option<&'static str> {
        match self {
            Self::Always(prefix) | Self::Sometimes(prefix, ..) => Some(prefix),
            Self::Never(..) | Self::Unknown => None,
        }
    }
}

/// Where a number without calling code belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region(&'static CallingCode);

impl Region {
    pub fn code(self) -> &'static CallingCode {
        self.0
    }
}

/// The region of a country, `DE`, or of a calling code, `+49`.
pub fn region(text: &str) -> Option<Region> {
    let digits = match text.strip_prefix('+') {
        Some(digits) => digits,
        None => COUNTRIES.iter().find(|(country, _)| *country == text)?.1,
    };
    CODES.iter().find(|code| code.digits == digits).map(Region)
}

/// The calling code that these digits begin with.
pub fn calling_code(digits: &[u8]) -> Option<&'static CallingCode> {
    let [a, b, c, ..] = digits else { return None };
    let digit = |byte: &u8| usize::from(byte.wrapping_sub(b'0'));
    let index = *INDEX.get(digit(a) * 100 + digit(b) * 10 + digit(c))?;
    CODES.get(usize::from(index))
}

const NONE: u8 = u8::MAX;

/// The position in [`CODES`] by the first three digits of a number. No code is the beginning of another.
static INDEX: [u8; 1000] = index();

#[allow(clippy::indexing_slicing, reason = "evaluated while compiling")]
const fn index() -> [u8; 1000] {
    let mut index = [NONE; 1000];
    let mut at = 0;
    while at < CODES.len() {
        let digits = CODES[at].digits.as_bytes();
        let (mut first, mut length, mut count) = (0, 0, 1000);
        while length < digits.len() {
            count /= 10;
            first += (digits[length] - b'0') as usize * count;
            length += 1;
        }
        let end = first + count;
        while first < end {
            assert!(index[first] == NONE, "a calling code is the beginning of another");
            index[first] = at as u8;
            first += 1;
        }
        at += 1;
    }
    index
}

const fn known(digits: &'static str, trunk: Trunk, international_prefix: &'static str) -> CallingCode {
    CallingCode { digits, trunk, international_prefix: Some(international_prefix) }
}

/// Where what is dialled for a plus sign depends on the carrier.
const fn carriers(digits: &'static str, trunk: Trunk) -> CallingCode {
    CallingCode { digits, trunk, international_prefix: None }
}

const fn zero(digits: &'static str) -> CallingCode {
    known(digits, Trunk::Always("0"), "00")
}

const fn never(digits: &'static str, least: usize, most: usize) -> CallingCode {
    known(digits, Trunk::Never(least, most), "00")
}

const fn unknown(digits: &'static str) -> CallingCode {
    CallingCode { digits, trunk: Trunk::Unknown, international_prefix: Some("00") }
}

#[rustfmt::skip]
static CODES: &[CallingCode] = &[
    known("1", Trunk::Sometimes("1", 10, 10), "011"), zero("20"), unknown("211"), zero("212"), zero("213"),
    never("216", 8, 8), zero("218"), unknown("220"), never("221", 9, 9), unknown("222"), unknown("223"),
    unknown("224"), never("225", 10, 10), unknown("226"), unknown("227"), unknown("228"), unknown("229"),
    unknown("230"), unknown("231"), unknown("232"), zero("233"), carriers("234", Trunk::Always("0")), unknown("235"),
    unknown("236"), never("237", 9, 9), unknown("238"), unknown("239"), unknown("240"), unknown("241"),
    unknown("242"), unknown("243"), unknown("244"), unknown("245"), unknown("246"), unknown("247"), unknown("248"),
    zero("249"), unknown("250"), zero("251"), unknown("252"), unknown("253"),
    known("254", Trunk::Always("0"), "000"), known("255", Trunk::Always("0"), "000"),
    known("256", Trunk::Always("0"), "000"), unknown("257"), unknown("258"), zero("260"), zero("261"),
    unknown("262"), zero("263"), zero("264"), unknown("265"), unknown("266"), unknown("267"), unknown("268"),
    unknown("269"), zero("27"), unknown("290"), unknown("291"), unknown("297"), unknown("298"), unknown("299"),
    never("30", 10, 10), zero("31"), zero("32"), zero("33"), never("34", 9, 9), never("350", 8, 8),
    never("351", 9, 9), never("352", 4, 11), zero("353"), never("354", 7, 7), zero("355"), never("356", 8, 8),
    never("357", 8, 8), zero("358"), zero("359"), known("36", Trunk::Always("06"), "00"), zero("370"),
    never("371", 8, 8), never("372", 7, 8), zero("373"), zero("374"), unknown("375"), never("376", 6, 6),
    never("377", 8, 9), unknown("378"), unknown("379"), zero("380"), zero("381"), zero("382"), zero("383"),
    zero("385"), zero("386"), zero("387"), zero("389"), never("39", 6, 11), zero("40"), zero("41"),
    never("420", 9, 9), zero("421"), never("423", 7, 7), zero("43"), zero("44"), never("45", 8, 8), zero("46"),
    never("47", 8, 8), never("48", 9, 9), zero("49"), unknown("500"), unknown("501"), never("502", 8, 8),
    never("503", 8, 8), never("504", 8, 8), never("505", 8, 8), never("506", 8, 8), never("507", 7, 8),
    unknown("508"), unknown("509"), known("51", Trunk::Sometimes("0", 8, 9), "00"), never("52", 10, 10), zero("53"),
    unknown("54"), carriers("55", Trunk::Sometimes("0", 10, 11)), carriers("56", Trunk::Never(9, 9)),
    carriers("57", Trunk::Never(10, 10)), zero("58"), unknown("590"), unknown("591"), unknown("592"), zero("593"),
    unknown("594"), zero("595"), unknown("596"), unknown("597"), unknown("598"), unknown("599"), zero("60"),
    known("61", Trunk::Always("0"), "0011"), carriers("62", Trunk::Always("0")), zero("63"), zero("64"),
    carriers("65", Trunk::Never(8, 8)), carriers("66", Trunk::Always("0")), unknown("670"), unknown("672"),
    unknown("673"), unknown("674"), unknown("675"), unknown("676"), unknown("677"), unknown("678"), unknown("679"),
    unknown("680"), unknown("681"), unknown("682"), unknown("683"), unknown("685"), unknown("686"), unknown("687"),
    unknown("688"), unknown("689"), unknown("690"), unknown("691"), unknown("692"),
    known("7", Trunk::Sometimes("8", 10, 10), "810"), unknown("800"), unknown("808"),
    known("81", Trunk::Always("0"), "010"), carriers("82", Trunk::Always("0")), zero("84"), unknown("850"),
    carriers("852", Trunk::Never(8, 8)), never("853", 8, 8), carriers("855", Trunk::Always("0")), zero("856"),
    known("86", Trunk::Sometimes("0", 10, 11), "00"), unknown("870"), unknown("878"), zero("880"), unknown("881"),
    unknown("882"), unknown("883"), carriers("886", Trunk::Always("0")), unknown("888"), zero("90"),
    known("91", Trunk::Sometimes("0", 10, 10), "00"), zero("92"), zero("93"), zero("94"), zero("95"),
    never("960", 7, 7), zero("961"), zero("962"), zero("963"), zero("964"), never("965", 8, 8), zero("966"),
    zero("967"), never("968", 8, 8), zero("970"), zero("971"), zero("972"), never("973", 8, 8), never("974", 8, 8),
    unknown("975"), carriers("976", Trunk::Always("0")), zero("977"), unknown("979"), zero("98"), unknown("992"),
    unknown("993"), zero("994"), zero("995"), zero("996"), unknown("998"),
];

#[rustfmt::skip]
const COUNTRIES: &[(&str, &str)] = &[
    ("AD", "376"), ("AE", "971"), ("AF", "93"), ("AG", "1"), ("AI", "1"), ("AL", "355"), ("AM", "374"),
    ("AO", "244"), ("AR", "54"), ("AS", "1"), ("AT", "43"), ("AU", "61"), ("AW", "297"), ("AX", "358"),
    ("AZ", "994"), ("BA", "387"), ("BB", "1"), ("BD", "880"), ("BE", "32"), ("BF", "226"), ("BG", "359"),
    ("BH", "973"), ("BI", "257"), ("BJ", "229"), ("BL", "590"), ("BM", "1"), ("BN", "673"), ("BO", "591"),
    ("BQ", "599"), ("BR", "55"), ("BS", "1"), ("BT", "975"), ("BW", "267"), ("BY", "375"), ("BZ", "501"),
    ("CA", "1"), ("CC", "61"), ("CD", "243"), ("CF", "236"), ("CG", "242"), ("CH", "41"), ("CI", "225"),
    ("CK", "682"), ("CL", "56"), ("CM", "237"), ("CN", "86"), ("CO", "57"), ("CR", "506"), ("CU", "53"),
    ("CV", "238"), ("CW", "599"), ("CX", "61"), ("CY", "357"), ("CZ", "420"), ("DE", "49"), ("DJ", "253"),
    ("DK", "45"), ("DM", "1"), ("DO", "1"), ("DZ", "213"), ("EC", "593"), ("EE", "372"), ("EG", "20"), ("EH", "212"),
    ("ER", "291"), ("ES", "34"), ("ET", "251"), ("FI", "358"), ("FJ", "679"), ("FK", "500"), ("FM", "691"),
    ("FO", "298"), ("FR", "33"), ("GA", "241"), ("GB", "44"), ("GD", "1"), ("GE", "995"), ("GF", "594"),
    ("GG", "44"), ("GH", "233"), ("GI", "350"), ("GL", "299"), ("GM", "220"), ("GN", "224"), ("GP", "590"),
    ("GQ", "240"), ("GR", "30"), ("GT", "502"), ("GU", "1"), ("GW", "245"), ("GY", "592"), ("HK", "852"),
    ("HN", "504"), ("HR", "385"), ("HT", "509"), ("HU", "36"), ("ID", "62"), ("IE", "353"), ("IL", "972"),
    ("IM", "44"), ("IN", "91"), ("IO", "246"), ("IQ", "964"), ("IR", "98"), ("IS", "354"), ("IT", "39"),
    ("JE", "44"), ("JM", "1"), ("JO", "962"), ("JP", "81"), ("KE", "254"), ("KG", "996"), ("KH", "855"),
    ("KI", "686"), ("KM", "269"), ("KN", "1"), ("KP", "850"), ("KR", "82"), ("KW", "965"), ("KY", "1"), ("KZ", "7"),
    ("LA", "856"), ("LB", "961"), ("LC", "1"), ("LI", "423"), ("LK", "94"), ("LR", "231"), ("LS", "266"),
    ("LT", "370"), ("LU", "352"), ("LV", "371"), ("LY", "218"), ("MA", "212"), ("MC", "377"), ("MD", "373"),
    ("ME", "382"), ("MF", "590"), ("MG", "261"), ("MH", "692"), ("MK", "389"), ("ML", "223"), ("MM", "95"),
    ("MN", "976"), ("MO", "853"), ("MP", "1"), ("MQ", "596"), ("MR", "222"), ("MS", "1"), ("MT", "356"),
    ("MU", "230"), ("MV", "960"), ("MW", "265"), ("MX", "52"), ("MY", "60"), ("MZ", "258"), ("NA", "264"),
    ("NC", "687"), ("NE", "227"), ("NF", "672"), ("NG", "234"), ("NI", "505"), ("NL", "31"), ("NO", "47"),
    ("NP", "977"), ("NR", "674"), ("NU", "683"), ("NZ", "64"), ("OM", "968"), ("PA", "507"), ("PE", "51"),
    ("PF", "689"), ("PG", "675"), ("PH", "63"), ("PK", "92"), ("PL", "48"), ("PM", "508"), ("PR", "1"),
    ("PS", "970"), ("PT", "351"), ("PW", "680"), ("PY", "595"), ("QA", "974"), ("RE", "262"), ("RO", "40"),
    ("RS", "381"), ("RU", "7"), ("RW", "250"), ("SA", "966"), ("SB", "677"), ("SC", "248"), ("SD", "249"),
    ("SE", "46"), ("SG", "65"), ("SH", "290"), ("SI", "386"), ("SJ", "47"), ("SK", "421"), ("SL", "232"),
    ("SM", "378"), ("SN", "221"), ("SO", "252"), ("SR", "597"), ("SS", "211"), ("ST", "239"), ("SV", "503"),
    ("SX", "1"), ("SY", "963"), ("SZ", "268"), ("TC", "1"), ("TD", "235"), ("TG", "228"), ("TH", "66"),
    ("TJ", "992"), ("TK", "690"), ("TL", "670"), ("TM", "993"), ("TN", "216"), ("TO", "676"), ("TR", "90"),
    ("TT", "1"), ("TV", "688"), ("TW", "886"), ("TZ", "255"), ("UA", "380"), ("UG", "256"), ("US", "1"),
    ("UY", "598"), ("UZ", "998"), ("VA", "39"), ("VC", "1"), ("VE", "58"), ("VG", "1"), ("VI", "1"), ("VN", "84"),
    ("VU", "678"), ("WF", "681"), ("WS", "685"), ("XK", "383"), ("YE", "967"), ("YT", "262"), ("ZA", "27"),
    ("ZM", "260"), ("ZW", "263"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_by_their_digits() {
        assert_eq!(calling_code(b"4930").unwrap().digits, "49");
        assert_eq!(calling_code(b"15550100199").unwrap().digits, "1");
        assert_eq!(calling_code(b"42012").unwrap().digits, "420");
        for digits in ["", "49", "999123", "0123", "210123", "x23456"] {
            assert_eq!(calling_code(digits.as_bytes()), None, "{digits}");
        }
        for code in CODES {
            assert_eq!(calling_code(format!("{}00", code.digits).as_bytes()), Some(code));
        }
    }

    #[test]
    fn every_country_has_a_code() {
        assert!(COUNTRIES.is_sorted());
        for (country, digits) in COUNTRIES {
            assert_eq!(region(country).unwrap().code().digits, *digits);
        }
        assert_eq!(region("+44"), region("GB"));
        for text in ["", "XX", "de", "+", "+0", "49"] {
            assert_eq!(region(text), None, "{text}");
        }
    }
}
