use ratatui::symbols::border;

/// The signs a screen is made of: box drawing and blocks, or plain ASCII (`--ascii`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glyphs {
    /// All is well.
    pub full: &'static str,
    /// Half well.
    pub half: &'static str,
    /// Out of sight.
    pub hollow: &'static str,
    /// Down.
    pub down: &'static str,
    /// Under way.
    pub wait: &'static str,
    /// Mark of the chosen row.
    pub mark: &'static str,
    /// Something is cut off.
    pub more: &'static str,
    /// Not offered, not known.
    pub none: &'static str,
    /// From one to another.
    pub arrow: &'static str,
    /// Between parts of a line.
    pub dot: &'static str,
    /// Filled, half-filled and empty part of a bar.
    pub bar: [&'static str; 3],
    /// Heights of a sparkline, lowest first.
    pub spark: [&'static str; 8],
    /// Where a sparkline heard nothing.
    pub gap: &'static str,
    /// Borders.
    pub border: border::Set<'static>,
    /// A directory that is open, and one that is closed.
    pub open: &'static str,
    /// See there.
    pub closed: &'static str,
    /// Something deleted.
    pub grave: &'static str,
    /// Where one is.
    pub here: &'static str,
    /// Whether these are ASCII.
    pub ascii: bool,
}

impl Glyphs {
    /// For terminals that show Unicode.
    #[must_use]
    pub fn unicode() -> Self {
        Self {
            full: "●",
            half: "◐",
            hollow: "◌",
            down: "○",
            wait: "…",
            mark: "▸",
            more: "…",
            none: "–",
            arrow: "→",
            dot: "·",
            bar: ["█", "▒", "░"],
            spark: ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
            gap: " ",
            border: border::PLAIN,
            open: "▾",
            closed: "▸",
            grave: "×",
            here: "▲",
            ascii: false,
        }
    }

    /// For all others, and for screen readers.
    #[must_use]
    pub fn ascii() -> Self {
        Self {
            full: "*",
            half: "%",
            hollow: "?",
            down: "o",
            wait: "~",
            mark: ">",
            more: "~",
            none: "-",
            arrow: "->",
            dot: "-",
            bar: ["#", "=", "."],
            spark: ["_", ".", ",", "-", "=", "+", "*", "#"],
            gap: " ",
            border: border::Set {
                top_left: "+",
                top_right: "+",
                bottom_left: "+",
                bottom_right: "+",
                vertical_left: "|",
                vertical_right: "|",
                horizontal_top: "-",
                horizontal_bottom: "-",
            },
            open: "v",
            closed: ">",
            grave: "x",
            here: "^",
            ascii: true,
        }
    }
}
