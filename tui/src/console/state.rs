//! [`State`]: everything that is drawn, the screens and what they share.

use bytes::Bytes;
use mini_etcd_shared::clock::Moment;

use super::action::Scope;
use super::context::{Bundled, Context, Origin};
use super::keymap::Keymap;
use super::mouse::DrawnFrame;
use super::overlays::Doctor;
use crate::profile::Profile;
use crate::screens::cluster::member::Member;
use crate::screens::keys::tree::Tree;
use crate::screens::{Screen, ScreenId, screens};
use crate::widget::Look;
use std::time::Duration;

/// For so long the header says that another cluster has taken the place of the one before.
pub(crate) const REPLACED_SHOWN: Duration = Duration::from_secs(60);

/// What a console starts with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How it looks.
    pub look: Look,
    /// Its keys.
    pub keymap: Keymap,
    /// What it looks at.
    pub origin: Origin,
    /// Whether nothing may be changed.
    pub read_only: bool,
    /// As whom servers know it, if they do.
    pub user: Option<String>,
    /// The profile that it looks by.
    pub profile: Option<Profile>,
    /// Flags that lead where it looks, beside its endpoints.
    pub flags: Vec<String>,
    /// The names of all profiles.
    pub profiles: Vec<String>,
    /// Width and height of the terminal.
    pub size: (u16, u16),
}

macro_rules! state {
    ($($(#[$doc:meta])* $module:ident::$screen:ident, $id:ident, $number:literal, $title:literal, $help:literal;)*) => {
        /// The console.
        #[derive(Clone, Debug)]
        pub struct State {
            /// What the screens share.
            pub ctx: Context,
            /// Its keys.
            pub keymap: Keymap,
            $($(#[$doc])* pub $module: crate::screens::$module::$screen,)*
            /// Which layer of a connection fails.
            pub doctor: Doctor,
            /// The screen that was on top before.
            pub before: ScreenId,
            /// When `q` was pressed for the first time.
            pub leaving: Option<Moment>,
            /// Reports of any other generation are dropped.
            pub generation: u64,
            /// When another cluster took the place of the one before.
            pub replaced: Option<Moment>,
            /// What the frame has drawn where.
            pub(super) drawn: DrawnFrame,
        }

        impl State {
            /// A console that knows nothing yet.
            #[must_use]
            pub fn new(setup: Setup) -> Self {
                let mut ctx =
                    Context::new(setup.look, setup.origin, setup.read_only, setup.size);
                ctx.user = setup.user;
                ctx.profile = setup.profile;
                ctx.flags = setup.flags;
                ctx.profiles = setup.profiles;
                let mut state = Self {
                    ctx,
                    keymap: setup.keymap,
                    $($module: Default::default(),)*
                    doctor: Doctor::default(),
                    before: ScreenId::Cluster,
                    leaving: None,
                    generation: 0,
                    replaced: None,
                    drawn: DrawnFrame::default(),
                };
                let said = state.ctx.profile.as_ref().and_then(|of| of.separator.as_ref());
                if let Some(separator) = said.filter(|separator| !separator.is_empty()) {
                    let separator = Bytes::copy_from_slice(separator.as_bytes());
                    state.keys.tree = Tree::new(Bytes::new(), separator);
                }
                state
            }

            /// A screen.
            #[must_use]
            pub fn screen(&self, id: ScreenId) -> &dyn Screen {
                match id { $(ScreenId::$id => &self.$module,)* }
            }

            /// A screen, and what it acts through.
            pub(crate) fn screen_mut(&mut self, id: ScreenId) -> (&mut dyn Screen, &mut Context) {
                let screen: &mut dyn Screen = match id { $(ScreenId::$id => &mut self.$module,)* };
                (screen, &mut self.ctx)
            }
        }
    };
}
screens!(state);

impl State {
    /// The screen on top.
    #[must_use]
    pub fn top(&self) -> &dyn Screen {
        self.screen(self.ctx.screen)
    }

    /// The screen on top, and what it acts through.
    pub(crate) fn top_mut(&mut self) -> (&mut dyn Screen, &mut Context) {
        self.screen_mut(self.ctx.screen)
    }

    /// The screen's scope of keys.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope::Screen(self.ctx.screen)
    }

    /// The chosen member.
    #[must_use]
    pub fn chosen_member(&self) -> Option<&Member> {
        self.cluster.member(&self.ctx)
    }

    /// The chosen member as a bundled process, with its name.
    #[must_use]
    pub fn chosen_bundled(&self) -> Option<(String, Bundled)> {
        self.cluster.bundled(&self.ctx)
    }
}
