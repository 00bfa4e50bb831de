//! `SAMPLES`: complete programs that write to a topic or read one, in several languages, with blanks for the server's
//! address, the topic and the token. The command `sample` fills them in, and so does the page `/connect`.

use serde::Serialize;

/// A program with blanks.
#[derive(Debug, Serialize)]
pub struct Sample {
    /// Language and way.
    pub lang: Lang,
    /// What it does.
    pub direction: Direction,
    /// Name of a file for it.
    pub file: &'static str,
    /// The program. Each blank stands in a text in double quotes, or in a comment.
    pub text: &'static str,
}

/// Language and way of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Lang {
    /// JavaScript, SignalR
    JsSignalr,
    /// JavaScript, plain HTTP
    JsHttp,
    /// A shell script with curl
    Curl,
    /// Python, plain HTTP, without packages
    Python,
    /// C#, SignalR; no test of ours runs it
    Csharp,
}

/// What a sample does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Write to the topic, as an External source does
    Write,
    /// Read the topic, as an External destination does
    Read,
}

/// What goes into the blanks.
#[derive(Debug, Clone, Copy)]
pub struct Blanks<'a> {
    /// Of the server, without a slash at its end.
    pub url: &'a str,
    /// Name or id.
    pub topic: &'a str,
    /// Empty where none is needed.
    pub token: &'a str,
}

impl Sample {
    /// The one in a language for a direction.
    pub fn of(lang: Lang, direction: Direction) -> &'static Self {
        let found = SAMPLES.iter().find(|sample| (sample.lang, sample.direction) == (lang, direction));
        found.expect("there is one for each")
    }

    /// The program with its blanks filled in. What is filled in must be [plain](is_plain).
    pub fn filled(&self, blanks: Blanks<'_>) -> String {
        let Blanks { url, topic, token } = blanks;
        self.text.replace("{{url}}", url).replace("{{topic}}", topic).replace("{{token}}", token)
    }
}

/// Whether a text means itself between double quotes in each of the languages. Tokens and addresses are of such letters.
pub fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'\\`${}".contains(&byte))
}

macro_rules! samples {
    ($(($lang:ident, $direction:ident, $file:literal, $template:literal)),* $(,)?) => {
        [$(Sample {
            lang: Lang::$lang,
            direction: Direction::$direction,
            file: $file,
            text: include_str!(concat!("../samples/", $template)),
        }),*]
    };
}

/// All there are.
pub static SAMPLES: [Sample; 10] = samples![
    (JsSignalr, Write, "write.mjs", "js-signalr.write.mjs"),
    (JsSignalr, Read, "read.mjs", "js-signalr.read.mjs"),
    (JsHttp, Write, "write.mjs", "js-http.write.mjs"),
    (JsHttp, Read, "read.mjs", "js-http.read.mjs"),
    (Curl, Write, "write.sh", "curl.write.sh"),
    (Curl, Read, "read.sh", "curl.read.sh"),
    (Python, Write, "write.py", "python.write.py"),
    (Python, Read, "read.py", "python.read.py"),
    (Csharp, Write, "Program.cs", "csharp.write.cs"),
    (Csharp, Read, "Program.cs", "csharp.read.cs"),
];

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn each_language_has_a_sample_for_each_direction_and_all_blanks_are_filled() {
        for lang in Lang::value_variants() {
            for direction in Direction::value_variants() {
                let sample = Sample::of(*lang, *direction);
                for blank in ["\"{{url}}\"", "\"{{topic}}\"", "\"{{token}}\""] {
                    assert_eq!(sample.text.matches(blank).count(), 1, "{lang:?} {direction:?}: {blank}");
                }
                let filled = sample.filled(Blanks { url: "http://h:1", topic: "t", token: "x.y" });
                assert!(!filled.contains("{{"), "{filled}");
                assert!(filled.contains("\"http://h:1\"") && filled.contains("\"t\"") && filled.contains("\"x.y\""));
            }
        }
    }

    #[test]
    fn what_could_break_out_of_its_quotes_is_not_plain() {
        assert!(is_plain("") && is_plain("http://[::1]:8080/a") && is_plain("eyJ.a-b_c~+/="));
        for text in ["a\"b", "a\\", "$(id)", "`id`", "a b", "a\nb", "{x}", "é", "'"] {
            assert!(!is_plain(text), "{text}");
        }
    }
}
