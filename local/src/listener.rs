//! Who listens on a port, for the sentence about a taken one: the kernel's socket tables, then whose descriptor it is.

use std::fs;

use crate::identity::command_line;

/// The program that listens on `port`, as far as this user may know.
pub(crate) fn owner_of(port: u16) -> String {
    let Some(inode) = listening_inode(port) else { return "another program".to_owned() };
    match process_with_socket(&inode) {
        Some(pid) => format!("pid {pid} ({})", shortened(&command_line(pid).unwrap_or_default())),
        None => "a program of another user".to_owned(),
    }
}

/// The inode of the listening socket on `port`, from the kernel's tables.
fn listening_inode(port: u16) -> Option<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    tables.iter().flat_map(|table| table.lines().skip(1)).find_map(|row| inode_in_row(row, port))
}

/// Columns: slot, local address:port, remote address:port, state, queues, timer, retransmits, uid, timeout, inode.
fn inode_in_row(row: &str, port: u16) -> Option<String> {
    const LISTEN: &str = "0A";
    let columns: Vec<&str> = row.split_whitespace().collect();
    let (_, local_port) = columns.get(1)?.rsplit_once(':')?;
    let listens = u16::from_str_radix(local_port, 16) == Ok(port) && *columns.get(3)? == LISTEN;
    listens.then(|| columns.get(9).map(|inode| (*inode).to_owned()))?
}

fn process_with_socket(inode: &str) -> Option<i32> {
    let socket = format!("socket:[{inode}]");
    let pids = fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
        descriptors.flatten().any(|it| fs::read_link(it.path()).is_ok_and(|to| to.as_os_str() == socket.as_str()))
    })
    .min()
}

fn shortened(command: &str) -> String {
    const SHOWN_MAX: usize = 60;
    if command.chars().count() <= SHOWN_MAX {
        return command.to_owned();
    }
    command.chars().take(SHOWN_MAX).chain("...".chars()).collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_row_counts_only_when_it_listens_on_the_port() {
        let row = "0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 1000 0 4711 1";
        assert_eq!(inode_in_row(row, 8080).as_deref(), Some("4711"));
        assert_eq!(inode_in_row(row, 8081), None);
        assert_eq!(inode_in_row(&row.replace(" 0A ", " 01 "), 8080), None);
        assert_eq!(inode_in_row("0: torn", 8080), None);
    }

    #[test]
    fn the_owner_of_an_own_port_is_this_process() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let owner = owner_of(listener.local_addr().unwrap().port());
        assert!(owner.starts_with(&format!("pid {} (", std::process::id())), "{owner}");
    }

    #[test]
    fn a_long_command_is_cut() {
        assert_eq!(shortened(&"x".repeat(100)).len(), 63);
        assert_eq!(shortened("short"), "short");
    }
}
