//! Stop strings, which may begin in one piece of text and end in another.

/// Holds back text that may be the beginning of a stop string.
pub struct StopScanner {
    stops: Vec<String>,
    held: String,
}

impl StopScanner {
    pub fn new(stops: &[String]) -> Self {
        Self { stops: stops.to_vec(), held: String::new() }
    }

    /// The text that surely stands before any stop string, and the stop string that was completed, if one was. Of several, the one
    /// that begins first counts.
    pub fn push(&mut self, text: &str) -> (String, Option<String>) {
        self.held.push_str(text);
        let found = self.stops.iter().filter_map(|stop| Some((self.held.find(stop.as_str())?, stop)));
        if let Some((at, stop)) = found.min_by_key(|(at, _)| *at) {
            let stop = stop.clone();
            self.held.truncate(at);
            return (std::mem::take(&mut self.held), Some(stop));
        }
        let sure = self.held.len() - self.longest_beginning();
        let rest = self.held.split_off(sure);
        (std::mem::replace(&mut self.held, rest), None)
    }

    /// What is held back, when no more text comes.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Bytes at the end that begin a stop string.
    fn longest_beginning(&self) -> usize {
        let beginning = |stop: &String| {
            let lengths = stop.char_indices().map(|(at, _)| at).rev();
            lengths.into_iter().find(|&length| self.held.ends_with(&stop[..length])).unwrap_or(0)
        };
        self.stops.iter().map(beginning).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_stop_string_is_found_across_pieces() {
        let mut scanner = StopScanner::new(&["\n\nUser".into(), "END".into()]);
        assert_eq!(scanner.push("one\n"), ("one".into(), None));
        assert_eq!(scanner.push("two\n\n"), ("\ntwo".into(), None));
        assert_eq!(scanner.push("Us"), (String::new(), None));
        assert_eq!(scanner.push("er: END"), (String::new(), Some("\n\nUser".into())));
    }

    #[test]
    fn what_only_began_is_given_out_at_the_end() {
        let mut scanner = StopScanner::new(&["END".into()]);
        assert_eq!(scanner.push("the EN"), ("the ".into(), None));
        assert_eq!(scanner.finish(), "EN");
    }

    proptest! {
        /// However a text is cut, what comes out is the text before the first stop string of the whole.
        #[test]
        fn cuts_do_not_matter(text in "[abé]{0,12}", stops in prop::collection::vec("[abé]{1,3}", 1..3), cuts in any::<u16>()) {
            let mut scanner = StopScanner::new(&stops);
            let mut out = String::new();
            let mut stopped = false;
            let mut piece = String::new();
            for (index, character) in text.chars().enumerate() {
                piece.push(character);
                if cuts >> (index % 16) & 1 == 1 {
                    let (sure, stop) = scanner.push(&std::mem::take(&mut piece));
                    out.push_str(&sure);
                    stopped = stop.is_some();
                    if stopped { break; }
                }
            }
            if !stopped {
                let (sure, stop) = scanner.push(&piece);
                out.push_str(&sure);
                stopped = stop.is_some();
            }
            if !stopped {
                out.push_str(&scanner.finish());
            }
            prop_assert_eq!(stopped, stops.iter().any(|stop| text.contains(stop.as_str())));
            if stopped {
                prop_assert!(text.starts_with(&out));
                prop_assert!(stops.iter().all(|stop| !out.contains(stop.as_str())));
                prop_assert!(stops.iter().any(|stop| text[out.len()..].starts_with(stop.as_str())));
            } else {
                prop_assert_eq!(out, text);
            }
        }
    }
}
