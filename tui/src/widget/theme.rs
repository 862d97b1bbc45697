//! Colours by meaning: what a style says, never where it stands.
//!
//! Themes are data (`assets/themes/*.toml`, overridden key by key by the user's own files). A view asks for a
//! [`Meaning`] and gets a [`Style`] that fits the terminal: truecolor, its sixteen colours, or none at all, in
//! which case modifiers carry what colours said.

use std::str::FromStr;

use ratatui::style::{Color, Modifier, Style};
use thiserror::Error;
use toml::{Table, Value};

/// How many colours the terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// None: `NO_COLOR`, `--color=never`.
    None,
    /// The sixteen every terminal has.
    Sixteen,
    /// 24 bits.
    True,
}

macro_rules! meanings {
    ($($name:ident $key:literal $doc:literal)*) => {
        /// What a style says.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Meaning { $(#[doc = $doc] $name,)* }

        const MEANINGS: &[(Meaning, &str)] = &[$((Meaning::$name, $key),)*];
    };
}

meanings! {
    Text "text" "Ordinary text."
    Strong "strong" "A figure or name that the eye should find."
    Dim "dim" "Beside the point: units, ages, what is not offered."
    Title "title" "Title of a panel."
    Border "border" "Its border."
    Accent "accent" "Marks: prompts, the chosen row's mark."
    Selected "selected" "The chosen row."
    Match "match" "What a search has found."
    Column "column" "Head of a column."
    Ok "ok" "All well."
    Warn "warn" "Worth a look."
    Bad "bad" "Broken."
    Leader "leader" "Who leads."
    Learner "learner" "Who listens without a vote."
    Header "header" "The top line."
    Brand "brand" "The name in it."
    Badge "badge" "A badge in it: demo, risk."
    Tab "tab" "A screen one can go to."
    TabActive "tab-active" "The screen one is on."
    Key "key" "A key to press."
    KeyLabel "key-label" "What it does."
    Bar "bar" "The filled part of a bar."
    BarPart "bar-part" "The half-filled part."
    BarEmpty "bar-empty" "The rest."
    Chart "chart" "A chart."
    ChartHot "chart-hot" "A chart where it goes beyond what is good."
    Overlay "overlay" "Ground of what lies over a screen."
    Danger "danger" "The word that names what would be lost."
    Input "input" "What is being typed."
}

/// Why a theme cannot be used.
#[derive(Debug, Error)]
pub enum ThemeError {
    /// The file is not TOML.
    #[error("{file}: {source}")]
    Syntax {
        /// The file.
        file: String,
        /// What is wrong with it.
        source: Box<toml::de::Error>,
    },
    /// A style that no view asks for.
    #[error("{file}: {key} is not a style; there are: {known}")]
    UnknownStyle {
        /// The file.
        file: String,
        /// The key in it.
        key: String,
        /// What would do.
        known: String,
    },
    /// A value that says nothing.
    #[error("{file}: {key}: {value} is not {wanted}")]
    Value {
        /// The file.
        file: String,
        /// The key in it.
        key: String,
        /// What it says.
        value: String,
        /// What would do.
        wanted: &'static str,
    },
    /// No theme of that name.
    #[error("no theme {name:?}; there are: {known}")]
    Unknown {
        /// The name.
        name: String,
        /// What would do.
        known: String,
    },
}

/// The themes that come with the console.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("dark", include_str!("../../../assets/themes/dark.toml")),
    ("light", include_str!("../../../assets/themes/light.toml")),
    ("either", include_str!("../../../assets/themes/either.toml")),
];

/// A style for each [`Meaning`].
#[derive(Clone, Debug)]
pub struct Theme {
    styles: [Style; MEANINGS.len()],
}

/// The built-in theme for a terminal that says its colours in `COLORFGBG`, as rxvt, Konsole and others do: two or three of
/// the sixteen by number, the background last.
#[must_use]
pub fn fitting(colorfgbg: Option<&str>) -> &'static str {
    let background: Option<u8> =
        colorfgbg.and_then(|colours| colours.rsplit(';').next()?.parse().ok());
    match background {
        Some(0..=6 | 8) => "dark",
        Some(7 | 9..=15) => "light",
        _ => "either",
    }
}

impl Theme {
    /// A built-in theme, or the dark one with the user's file over it.
    ///
    /// # Errors
    /// When there is no such theme or its file says something that is not understood.
    pub fn load(name: &str, depth: Depth, user: Option<&str>) -> Result<Self, ThemeError> {
        let built_in = BUILT_IN.iter().find(|(known, _)| *known == name);
        if built_in.is_none() && user.is_none() {
            let known = BUILT_IN.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            return Err(ThemeError::Unknown { name: name.to_owned(), known });
        }
        let mut theme = Self { styles: [Style::new(); MEANINGS.len()] };
        let base = built_in.or(BUILT_IN.first());
        for (file, text) in base.into_iter().map(|(name, text)| (*name, *text)) {
            theme.overlay(&format!("theme {file}"), text, depth)?;
        }
        if let Some(text) = user {
            theme.overlay(&format!("theme {name}"), text, depth)?;
        }
        Ok(theme)
    }

    /// The style that says this.
    #[must_use]
    pub fn style(&self, meaning: Meaning) -> Style {
        self.styles.get(meaning as usize).copied().unwrap_or_default()
    }

    fn overlay(&mut self, file: &str, text: &str, depth: Depth) -> Result<(), ThemeError> {
        let table: Table = text.parse().map_err(|source| ThemeError::Syntax {
            file: file.to_owned(),
            source: Box::new(source),
        })?;
        for (key, value) in &table {
            let place = MEANINGS.iter().position(|(_, known)| known == key);
            let Some(slot) = place.and_then(|place| self.styles.get_mut(place)) else {
                let known = MEANINGS.iter().map(|(_, key)| *key).collect::<Vec<_>>().join(" ");
                return Err(ThemeError::UnknownStyle {
                    file: file.to_owned(),
                    key: key.clone(),
                    known,
                });
            };
            *slot = style(value, depth).map_err(|wanted| ThemeError::Value {
                file: file.to_owned(),
                key: key.clone(),
                value: value.to_string(),
                wanted,
            })?;
        }
        Ok(())
    }
}

fn style(value: &Value, depth: Depth) -> Result<Style, &'static str> {
    let table = value.as_table().ok_or("a table of fg, bg, mods, mono")?;
    let mut style = Style::new();
    let mut mono = Modifier::empty();
    for (key, value) in table {
        match key.as_str() {
            "fg" => style.fg = colour(value, depth)?,
            "bg" => style.bg = colour(value, depth)?,
            "mods" => style = style.add_modifier(modifiers(value)?),
            "mono" => mono = modifiers(value)?,
            _ => return Err("a table of fg, bg, mods, mono"),
        }
    }
    if depth == Depth::None {
        return Ok(Style::new().add_modifier(mono));
    }
    Ok(style)
}

fn colour(value: &Value, depth: Depth) -> Result<Option<Color>, &'static str> {
    const WANTED: &str = "a colour: a name like lightblue, \"#rrggbb\", or a pair of both";
    let word = match value {
        Value::String(word) => Some(word.as_str()),
        Value::Array(pair) if pair.len() == 2 => {
            pair.get(usize::from(depth != Depth::True)).and_then(Value::as_str)
        }
        _ => None,
    };
    let colour = Color::from_str(word.ok_or(WANTED)?).map_err(|_| WANTED)?;
    let usable = depth == Depth::True || !matches!(colour, Color::Rgb(..));
    Ok(usable.then_some(colour))
}

fn modifiers(value: &Value) -> Result<Modifier, &'static str> {
    const WANTED: &str = "words among bold dim italic underlined reversed";
    value.as_str().ok_or(WANTED)?.split_whitespace().try_fold(Modifier::empty(), |all, word| {
        Ok(all
            | match word {
                "bold" => Modifier::BOLD,
                "dim" => Modifier::DIM,
                "italic" => Modifier::ITALIC,
                "underlined" => Modifier::UNDERLINED,
                "reversed" => Modifier::REVERSED,
                _ => return Err(WANTED),
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_theme_has_every_style_at_every_depth() {
        for (name, text) in BUILT_IN {
            let table: Table = text.parse().unwrap();
            assert_eq!(table.len(), MEANINGS.len(), "{name}");
            for depth in [Depth::None, Depth::Sixteen, Depth::True] {
                Theme::load(name, depth, None).unwrap();
            }
        }
    }

    #[test]
    fn without_colours_no_style_has_one_and_a_choice_still_shows() {
        for (name, _) in BUILT_IN {
            let theme = Theme::load(name, Depth::None, None).unwrap();
            for (meaning, key) in MEANINGS {
                let style = theme.style(*meaning);
                assert_eq!((style.fg, style.bg), (None, None), "{key}");
            }
            let selected = theme.style(Meaning::Selected);
            assert!(selected.add_modifier.contains(Modifier::REVERSED));
        }
    }

    #[test]
    fn sixteen_colours_never_become_truecolor() {
        for (name, _) in BUILT_IN {
            let theme = Theme::load(name, Depth::Sixteen, None).unwrap();
            for (meaning, key) in MEANINGS {
                let style = theme.style(*meaning);
                for colour in [style.fg, style.bg].into_iter().flatten() {
                    assert!(!matches!(colour, Color::Rgb(..)), "{name} {key}");
                }
            }
        }
    }

    fn contrast(one: Color, other: Color) -> f64 {
        let luminance = |colour| {
            let Color::Rgb(red, green, blue) = colour else { panic!("{colour}") };
            let linear = |part: u8| {
                let part = f64::from(part) / 255.0;
                if part <= 0.03928 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
        };
        let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
        one.max(other) / one.min(other)
    }

    /// Goal: the theme of an unknown background can be read on any. Method: the contrast of WCAG 2.1 with black and with
    /// white: 3 for coloured words, which are bold or signs, and 4.5 where a style has both colours.
    #[test]
    fn either_is_readable_on_black_and_on_white() {
        let theme = Theme::load("either", Depth::True, None).unwrap();
        for (meaning, key) in MEANINGS {
            let style = theme.style(*meaning);
            match (style.fg, style.bg) {
                (Some(fg), None) => {
                    for ground in [Color::Rgb(0, 0, 0), Color::Rgb(255, 255, 255)] {
                        assert!(contrast(fg, ground) >= 3.0, "{key} on {ground}");
                    }
                }
                (Some(fg), Some(bg)) => assert!(contrast(fg, bg) >= 4.5, "{key}"),
                (None, Some(_)) => panic!("{key}: who knows the colour of the letters?"),
                (None, None) => {}
            }
        }
    }

    #[test]
    fn a_terminal_that_says_its_background_gets_the_theme_for_it() {
        for (colours, name) in [
            (Some("15;0"), "dark"),
            (Some("0;default;15"), "light"),
            (Some("0;7"), "light"),
            (Some("15;default"), "either"),
            (Some("15;99"), "either"),
            (Some(""), "either"),
            (None, "either"),
        ] {
            assert_eq!(fitting(colours), name, "{colours:?}");
        }
    }

    #[test]
    fn a_users_file_changes_only_what_it_names() {
        let theme = Theme::load("mine", Depth::True, Some("ok = { fg = \"#010203\" }")).unwrap();
        assert_eq!(theme.style(Meaning::Ok).fg, Some(Color::Rgb(1, 2, 3)));
        let dark = Theme::load("dark", Depth::True, None).unwrap();
        assert_eq!(theme.style(Meaning::Bad), dark.style(Meaning::Bad));
    }

    #[test]
    fn a_bad_theme_is_refused_with_its_place() {
        let refused = |text| Theme::load("mine", Depth::True, Some(text)).unwrap_err().to_string();
        assert!(refused("good = {}").contains("good is not a style"));
        assert!(refused("ok = { fg = \"greenish\" }").contains("theme mine: ok:"));
        assert!(refused("ok = ").contains("theme mine"));
        let error = Theme::load("nope", Depth::True, None).unwrap_err();
        assert_eq!(error.to_string(), "no theme \"nope\"; there are: dark, light, either");
    }
}
