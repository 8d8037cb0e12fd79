//! A small volume of its own for a part, whose room can be taken away.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

const PREFIX: &str = "millrace-volume-";
/// Room left when a volume is made full, the least that the system grants: the next writes fit, and then none does.
const LEFT_KIB: [u64; 5] = [64, 256, 1024, 4096, 16_384];

/// A volume in memory, mounted in the folder for temporary files. Needs root. Unmounted when it is dropped.
#[derive(Debug)]
pub struct Volume {
    path: PathBuf,
    size_mib: u64,
}

impl Volume {
    /// Mounts a volume; `None` where that is not allowed.
    pub fn mount(name: &str, size_mib: u64) -> Option<Self> {
        unmount_abandoned();
        let path = std::env::temp_dir().join(format!("{PREFIX}{}-{name}", std::process::id()));
        fs::create_dir_all(&path).ok()?;
        let volume = Self { path, size_mib };
        let size = format!("size={size_mib}m,mode=0755");
        let mounted = run("mount", &["-t", "tmpfs", "-o", &size, "millrace"], &volume.path);
        if let Err(reason) = mounted {
            eprintln!("chaos: no volume for {name}, so its disk is never full: {reason}");
            let _ = fs::remove_dir(&volume.path);
            std::mem::forget(volume);
            return None;
        }
        Some(volume)
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes all its free room away.
    pub fn fill(&self) -> io::Result<()> {
        let mut result = Ok(());
        for left_kib in LEFT_KIB {
            let used = nix::sys::statvfs::statvfs(&self.path)?;
            let used_kib = (used.blocks() - used.blocks_free()) * used.fragment_size() / 1024;
            // Refused when more than that was written meanwhile.
            result = self.resize(&format!("{}k", used_kib + left_kib));
            if result.is_ok() {
                break;
            }
        }
        result
    }

    /// Gives its room back.
    pub fn free(&self) -> io::Result<()> {
        self.resize(&format!("{}m", self.size_mib))
    }

    fn resize(&self, size: &str) -> io::Result<()> {
        run("mount", &["-o", &format!("remount,size={size}")], &self.path)
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        unmount(&self.path);
    }
}

/// Unmounts; a folder that still holds something is left as it is.
fn unmount(path: &Path) {
    if run("umount", &[], path).or_else(|_| run("umount", &["--lazy"], path)).is_ok() {
        let _ = fs::remove_dir(path);
    }
}

/// Volumes of processes that were killed before they could unmount them.
fn unmount_abandoned() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            unmount(&entry.path());
        }
    }
}

fn run(program: &str, options: &[&str], path: &Path) -> io::Result<()> {
    let output = Command::new(program).args(options).arg(path).output()?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() { Ok(()) } else { Err(io::Error::other(said)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_volume_takes_nothing_until_it_has_room_again() {
        // Who may not mount cannot run this one; the harness then leaves full disks out.
        let Some(volume) = Volume::mount("test", 8) else { return };
        let file = volume.path().join("file");
        fs::write(&file, vec![1; 1 << 20]).expect("there is room");
        volume.fill().expect("it is made full");
        let refused = fs::write(volume.path().join("more"), vec![1; 1 << 20]).expect_err("there is no room");
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        volume.free().expect("it is given room");
        fs::write(volume.path().join("more"), vec![1; 1 << 20]).expect("there is room");
        assert_eq!(fs::read(&file).expect("the old file").len(), 1 << 20);
        let path = volume.path().to_owned();
        drop(volume);
        assert!(!path.exists());
    }
}
