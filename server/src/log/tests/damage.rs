//! Bits flipped and tails cut on the files of a stopped member's log, on real fjall: whatever is damaged, an open gives
//! equal data or an error with a name, never less without a word.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use mini_etcd_proto::internalpb::{Entry, HardState};
use mini_etcd_shared::types::{LogIndex, Term};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;

use super::suite::{Still, entry, write};
use crate::log::aside::copy_sparse;
use crate::log::dir::{open_dir, open_dir_with};
use crate::log::{DirStore, LogError, LogWrite};
use crate::storage::FjallOptions;

/// Flips of each of the two images, and cuts.
const FLIPS: usize = 1000;
const CUTS: usize = 500;

/// Small, so that a log of a few hundred entries has tables as well as journals.
const OPTIONS: FjallOptions = FjallOptions { memtable_bytes: 24 << 10, ..FjallOptions::log() };

/// What the log held when it stopped.
struct Content {
    truncated: (LogIndex, Term),
    entries: Vec<Entry>,
    hard_state: HardState,
}

/// A stopped member's directory.
struct Image {
    dir: TempDir,
    /// Each file, with the length of what was written to it.
    files: Vec<(PathBuf, u64)>,
    content: Content,
}

/// How an open of a damaged copy ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Equal,
    /// Refused with this exit code.
    Refused(u8),
}

/// In memory where there is such a file system: this is about bytes, not about disks.
fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

fn seed() -> u64 {
    let seed = std::env::var("MINI_ETCD_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or(2);
    println!("MINI_ETCD_SEED={seed}");
    seed
}

fn open(dir: &Path) -> Result<(DirStore<Still>, crate::log::Recovered), LogError> {
    open_dir_with(dir, Still, None, OPTIONS)
}

/// Writes some hundred entries, with conflicts, votes and a truncation, until tables are on disk.
fn fill(store: &mut DirStore<Still>, dir: &Path, rng: &mut StdRng) {
    let (mut next, mut term) = (2, 1);
    let mut commit = 1;
    let mut round = 0;
    while round < 160 || !has_tables(dir) {
        round += 1;
        let conflict = round % 20 == 0;
        if conflict {
            term += 1;
            next = (next - 2).max(commit + 1);
        }
        let entries: Vec<_> = (next..next + rng.random_range(1..5))
            .map(|index| entry(index, term, rng.random_range(0..300)))
            .collect();
        next += u64::try_from(entries.len()).unwrap();
        let hard_state = HardState { term, vote: 3, commit };
        let hard_state = (round % 5 == 0).then_some(hard_state);
        store.append(&LogWrite { entries, hard_state, acked: None }).unwrap();
        commit = next - 3;
        if round == 30 {
            store.truncate_prefix(LogIndex(20)).unwrap();
        }
        assert!(round < 10_000, "fjall never wrote a table");
    }
    // The end lies in the journal alone.
    for _ in 0..10 {
        store.append(&write(vec![entry(next, term, 50)])).unwrap();
        next += 1;
    }
}

fn has_tables(dir: &Path) -> bool {
    files(dir).iter().any(|file| file.components().any(|part| part.as_os_str() == "tables"))
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for child in fs::read_dir(dir).unwrap() {
        let path = child.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Builds an image: of a log closed in order, or as after SIGKILL.
fn image(clean: bool, rng: &mut StdRng) -> Image {
    // fjall may happen to move the newest entries to a table just before the end; then try again.
    let mut images = (0..20).map(|_| build(clean, rng));
    images.find(Image::end_is_in_journal).expect("the end stays in the journal")
}

fn build(clean: bool, rng: &mut StdRng) -> Image {
    let (live, dir) = (scratch(), scratch());
    let birth = Some((LogIndex(1), Term(1)));
    let (mut store, _) = open_dir_with(live.path(), Still, birth, OPTIONS).unwrap();
    fill(&mut store, live.path(), rng);
    let reader = store.reader();
    let all = reader.entries(LogIndex(0), LogIndex(u64::MAX), u64::MAX).unwrap();
    if clean {
        store.close().unwrap();
        copy(live.path(), dir.path());
    } else {
        copy(live.path(), dir.path());
        drop(store);
    }
    let term = all.last().unwrap().term;
    let content = Content {
        truncated: reader.truncated(),
        hard_state: HardState { term, vote: 3, commit: 0 },
        entries: all,
    };
    let written = files(dir.path()).into_iter().map(|file| {
        let bytes = fs::read(&file).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        (file.strip_prefix(dir.path()).unwrap().to_owned(), u64::try_from(end).unwrap())
    });
    Image { files: written.collect(), content, dir }
}

fn copy(from: &Path, to: &Path) {
    for child in fs::read_dir(from).unwrap() {
        let child = child.unwrap();
        let target = to.join(child.file_name());
        if child.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&child.path(), &target);
        } else {
            match copy_sparse(&child.path(), &target) {
                // A worker removes a file of its own now and then.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                outcome => outcome.unwrap(),
            }
        }
    }
}

impl Image {
    /// The newest journal, and where what was written to it ends.
    fn journal(&self) -> (&Path, u64) {
        let written = self.files.iter().filter(|(_, size)| *size > 0);
        let mut journals = written.filter(|(file, _)| is_journal(file));
        let (file, size) = journals.next_back().unwrap();
        (file, *size)
    }

    fn end_is_in_journal(&self) -> bool {
        let (file, size) = self.journal();
        self.attempt("probe", |dir| cut(&dir.join(file), size - 1)) != Outcome::Equal
    }

    /// Damages a copy and opens it.
    fn attempt(&self, what: &str, damage: impl FnOnce(&Path)) -> Outcome {
        let dir = scratch();
        copy(self.dir.path(), dir.path());
        damage(dir.path());
        match open(dir.path()) {
            Ok((store, found)) => {
                let all = found.reader.entries(LogIndex(0), LogIndex(u64::MAX), u64::MAX).unwrap();
                assert!(all == self.content.entries, "{what}: other entries, {:?}", found.last);
                assert_eq!(found.truncated, self.content.truncated, "{what}");
                let vote = |state: &HardState| (state.term, state.vote);
                assert_eq!(vote(&found.hard_state), vote(&self.content.hard_state), "{what}");
                drop(found);
                goes_on(store, dir.path(), &all, what);
                Outcome::Equal
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                assert!(!dir.path().join("aside").exists(), "{what}: copies were left behind");
                Outcome::Refused(error.exit_code())
            }
        }
    }
}

/// A log that opened takes another entry and keeps it.
fn goes_on(mut store: DirStore<Still>, dir: &Path, all: &[Entry], what: &str) {
    let last = all.last().unwrap();
    let more = entry(last.index + 1, last.term, 9);
    let append = LogWrite { entries: vec![more.clone()], hard_state: None, acked: None };
    store.append(&append).unwrap_or_else(|error| panic!("{what}: {error}"));
    drop(store);
    let (_store, found) = open(dir).unwrap_or_else(|error| panic!("{what}, opened again: {error}"));
    assert_eq!(found.tail.last(), Some(&more), "{what}");
}

fn flip(file: &Path, bit: u64) {
    let file = File::options().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, bit / 8).unwrap();
    file.write_all_at(&[byte[0] ^ (1 << (bit % 8))], bit / 8).unwrap();
}

fn cut(file: &Path, at: u64) {
    File::options().write(true).open(file).unwrap().set_len(at).unwrap();
}

fn is_journal(file: &Path) -> bool {
    file.extension().is_some_and(|kind| kind == "jnl")
}

fn flips(clean: bool) -> BTreeMap<Outcome, usize> {
    let mut rng = StdRng::seed_from_u64(seed());
    let image = image(clean, &mut rng);
    let mut outcomes = BTreeMap::new();
    let mut kinds: BTreeMap<String, BTreeMap<Outcome, usize>> = BTreeMap::new();
    let written: Vec<_> = image.files.iter().filter(|(_, size)| *size > 0).collect();
    for number in 0..FLIPS {
        // Every file gets its share, so that the small ones are hit too; half go to the journals.
        let journals: Vec<_> = written.iter().filter(|(file, _)| is_journal(file)).collect();
        let (file, size) = if number % 2 == 0 {
            journals[rng.random_range(0..journals.len())]
        } else {
            &written[rng.random_range(0..written.len())]
        };
        let bit = rng.random_range(0..size * 8);
        let what = format!("bit {bit} of {}", file.display());
        let outcome = image.attempt(&what, |dir| flip(&dir.join(file), bit));
        *outcomes.entry(outcome).or_default() += 1;
        *kinds.entry(file.display().to_string()).or_default().entry(outcome).or_default() += 1;
    }
    println!("clean: {clean}, {outcomes:?}");
    for (file, outcomes) in kinds {
        println!("  {file}: {outcomes:?}");
    }
    outcomes
}

fn count(outcomes: &BTreeMap<Outcome, usize>, outcome: Outcome) -> usize {
    outcomes.get(&outcome).copied().unwrap_or(0)
}

#[test]
fn no_flipped_bit_of_a_log_closed_in_order_loses_anything_quietly() {
    let outcomes = flips(true);
    assert!(count(&outcomes, Outcome::Equal) > 0);
    assert!(count(&outcomes, Outcome::Refused(72)) > 0);
}

#[test]
fn no_flipped_bit_of_a_log_left_by_a_kill_loses_anything_quietly() {
    let outcomes = flips(false);
    assert!(count(&outcomes, Outcome::Equal) > 0);
    assert!(count(&outcomes, Outcome::Refused(71)) > 0);
    assert!(count(&outcomes, Outcome::Refused(72)) > 0);
}

#[test]
fn no_cut_of_the_journals_tail_loses_anything_quietly() {
    let mut rng = StdRng::seed_from_u64(seed());
    let image = image(false, &mut rng);
    let (file, size) = image.journal();
    let mut outcomes = BTreeMap::new();
    for number in 0..CUTS {
        // The last bytes one by one, then anywhere; a few behind the end, where nothing is lost.
        let near = u64::try_from(number).unwrap();
        let at = if number < CUTS / 2 { size + 20 - near } else { rng.random_range(0..size) };
        let what = format!("cut at {at} of {size}");
        let outcome = image.attempt(&what, |dir| cut(&dir.join(file), at));
        *outcomes.entry(outcome).or_default() += 1;
        assert_eq!(outcome == Outcome::Equal, at >= size, "{what}");
    }
    println!("{outcomes:?}");
    assert!(count(&outcomes, Outcome::Equal) > 0);
    assert!(count(&outcomes, Outcome::Refused(71)) > 0);
}

#[test]
fn a_refused_log_is_left_as_it_was_found() {
    let mut rng = StdRng::seed_from_u64(seed());
    let image = image(false, &mut rng);
    let dir = scratch();
    copy(image.dir.path(), dir.path());
    let (file, size) = image.files.iter().find(|(file, _)| file.ends_with("0.jnl")).unwrap();
    let journal = dir.path().join(file);
    // The tag of an item in the middle: fjall takes the rest for a torn tail and cuts it off.
    File::options().write(true).open(&journal).unwrap().write_all_at(&[9], size / 2).unwrap();
    let found = fs::read(&journal).unwrap();
    for _ in 0..2 {
        let Err(error) = open(dir.path()) else { panic!("the log opened") };
        assert!([71, 72].contains(&error.exit_code()), "{error}");
        assert!(error.to_string().contains("remove this member") || error.exit_code() == 72);
        assert!(fs::read(&journal).unwrap() == found, "the journal was changed");
    }
}

#[test]
fn a_hole_in_what_was_never_acknowledged_is_cut_off() {
    // The power goes off: the last entry is on disk with a page missing, and the guard does not know it yet.
    let dir = scratch();
    let birth = Some((LogIndex(1), Term(1)));
    let (mut store, _) = open_dir(dir.path(), Still, birth).unwrap();
    let acknowledged: Vec<_> = (2..20).map(|index| entry(index, 1, 500)).collect();
    store.append(&write(acknowledged.clone())).unwrap();
    let guard = fs::read(dir.path().join("guard")).unwrap();
    let journal = dir.path().join("log/0.jnl");
    let end = |path: &Path| fs::read(path).unwrap().iter().rposition(|byte| *byte != 0).unwrap();
    let before = end(&journal);
    store.append(&write(vec![entry(20, 1, 12_000)])).unwrap();
    let middle = u64::try_from(usize::midpoint(before, end(&journal))).unwrap();
    drop(store);
    fs::write(dir.path().join("guard"), guard).unwrap();
    let file = File::options().write(true).open(&journal).unwrap();
    file.write_all_at(&[0; 4096], middle).unwrap();
    let (mut store, found) = open_dir(dir.path(), Still, None).unwrap();
    assert_eq!(found.tail, acknowledged);
    drop(found);
    store.append(&write(vec![entry(20, 1, 5)])).unwrap();
    store.close().unwrap();

    // The same hole in what the guard knows is refused, also the second time.
    let (mut store, found) = open_dir(dir.path(), Still, None).unwrap();
    drop(found);
    let before = end(&journal);
    store.append(&write(vec![entry(21, 1, 12_000)])).unwrap();
    let middle = u64::try_from(usize::midpoint(before, end(&journal))).unwrap();
    drop(store);
    let file = File::options().write(true).open(&journal).unwrap();
    file.write_all_at(&[0; 4096], middle).unwrap();
    for _ in 0..2 {
        let Err(error) = open_dir(dir.path(), Still, None) else { panic!("the log opened") };
        assert_eq!(error.exit_code(), 72, "{error}");
    }
}
