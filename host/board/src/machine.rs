//! What is attached to this computer: USB devices, serial ports, and whether the user may use them.

use super::{Board, Error};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A USB device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UsbDevice {
    pub vendor: u16,
    pub product: u16,
    /// What it calls itself.
    pub name: String,
    /// Tells it from others of its kind, if its maker gave it a number.
    pub serial_number: Option<String>,
    /// Its file, through which programmers reach it.
    pub node: PathBuf,
    /// Whether this user may read and write the file.
    pub usable: bool,
}

/// A serial port of a USB device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SerialPort {
    pub path: String,
    pub vendor: u16,
    pub product: u16,
    pub serial_number: Option<String>,
    /// Whether this user may read and write it.
    pub usable: bool,
}

/// A board that is plugged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attached {
    pub board: String,
    pub title: String,
    pub usb: UsbDevice,
    /// The serial port of the same bridge.
    pub port: Option<SerialPort>,
}

/// The computer, as far as it is looked at here.
#[derive(Clone, Debug)]
pub struct Computer {
    /// Where the kernel lists USB devices.
    usb_list: PathBuf,
    /// Where their files lie.
    usb_files: PathBuf,
    ports: Vec<SerialPort>,
}

impl Computer {
    /// This computer.
    pub fn this() -> Self {
        // A computer that cannot list its ports has none to offer.
        let ports = serialport::available_ports().unwrap_or_default();
        Self {
            usb_list: "/sys/bus/usb/devices".into(),
            usb_files: "/dev/bus/usb".into(),
            ports: ports.into_iter().filter_map(usb_port).collect(),
        }
    }

    /// A computer whose lists are files in a folder, for tests.
    pub fn recorded(usb_list: &Path, usb_files: &Path, ports: Vec<SerialPort>) -> Self {
        Self { usb_list: usb_list.to_owned(), usb_files: usb_files.to_owned(), ports }
    }

    /// USB devices, by file.
    pub fn usb_devices(&self) -> Vec<UsbDevice> {
        let entries = fs::read_dir(&self.usb_list).into_iter().flatten().flatten();
        let mut devices: Vec<UsbDevice> =
            entries.filter_map(|entry| self.usb_device(&entry.path())).collect();
        devices.sort_by(|a, b| a.node.cmp(&b.node));
        devices
    }

    fn usb_device(&self, folder: &Path) -> Option<UsbDevice> {
        let text = |file: &str| Some(fs::read_to_string(folder.join(file)).ok()?.trim().to_owned());
        let number = |file: &str| u16::from_str_radix(&text(file)?, 16).ok();
        let place = |file: &str| text(file)?.parse::<u32>().ok();
        let node = self.usb_files.join(format!("{:03}/{:03}", place("busnum")?, place("devnum")?));
        Some(UsbDevice {
            vendor: number("idVendor")?,
            product: number("idProduct")?,
            name: text("product").unwrap_or_default(),
            serial_number: text("serial").filter(|number| !number.is_empty()),
            usable: may_use(&node),
            node,
        })
    }

    /// Serial ports of USB devices.
    pub fn serial_ports(&self) -> &[SerialPort] {
        &self.ports
    }

    /// The boards that are plugged in. Boards with the same bridge cannot be told apart: each is listed.
    pub fn attached(&self) -> Result<Vec<Attached>, Error> {
        let boards = Board::all()?;
        let mut attached = vec![];
        for usb in self.usb_devices() {
            for board in boards.iter().filter(|board| board.usb_id() == Some((usb.vendor, usb.product))) {
                let same = |port: &&SerialPort| {
                    let numbers = [&port.serial_number, &usb.serial_number];
                    let same_number =
                        numbers[0] == numbers[1] || numbers.iter().any(|number| number.is_none());
                    (port.vendor, port.product) == (usb.vendor, usb.product) && same_number
                };
                attached.push(Attached {
                    board: board.name.clone(),
                    title: board.title.clone(),
                    usb: usb.clone(),
                    port: self.ports.iter().find(same).cloned(),
                });
            }
        }
        Ok(attached)
    }
}

/// The serial number that the programmer must be told to reach the board meant: the one asked for, or none where there is no
/// choice.
///
/// # Errors
/// Several boards could be meant, or those that are plugged in have other numbers.
pub fn choose(board: &Board, attached: &[UsbDevice], wanted: Option<&str>) -> Result<Option<String>, Error> {
    let mine: Vec<&UsbDevice> =
        attached.iter().filter(|usb| board.usb_id() == Some((usb.vendor, usb.product))).collect();
    let numbers: BTreeSet<&str> = mine.iter().filter_map(|usb| usb.serial_number.as_deref()).collect();
    let (title, count) = (&board.title, mine.len());
    let wanted = match wanted {
        None if count < 2 => return Ok(None),
        // Only the programmer can tell what is not listed.
        Some(wanted) if count == 0 => return Ok(Some(wanted.to_owned())),
        wanted => wanted,
    };
    if numbers.len() < count {
        return Err(Error::Input(format!(
            "expected one {title}, found {count} that cannot be told apart by serial numbers: unplug all but one and leave out \
             --serial"
        )));
    }
    let options: Vec<String> = numbers.iter().map(|number| format!("`--serial {number}`")).collect();
    let options = options.join(" or ");
    match wanted {
        Some(wanted) if numbers.contains(wanted) => Ok(Some(wanted.to_owned())),
        Some(wanted) => Err(Error::Input(format!(
            "expected {title} with the serial number {wanted}, found none: choose {options}"
        ))),
        None => Err(Error::Input(format!("expected one {title}, found {count}: choose {options}"))),
    }
}

fn usb_port(port: serialport::SerialPortInfo) -> Option<SerialPort> {
    let serialport::SerialPortType::UsbPort(usb) = port.port_type else { return None };
    Some(SerialPort {
        usable: may_use(Path::new(&port.port_name)),
        path: port.port_name,
        vendor: usb.vid,
        product: usb.pid,
        serial_number: usb.serial_number,
    })
}

/// Whether the user may read and write a file. Opening a serial port would move its control lines, so it is only asked.
#[cfg(unix)]
fn may_use(path: &Path) -> bool {
    use rustix::fs::Access;
    rustix::fs::access(path, Access::READ_OK | Access::WRITE_OK).is_ok()
}

#[cfg(not(unix))]
fn may_use(_path: &Path) -> bool {
    true
}

/// The commands that let the user at a USB device, whose rule is named first.
pub fn udev_rule(vendor: u16, product: u16) -> String {
    format!(
        "SUBSYSTEM==\"usb\", ATTR{{idVendor}}==\"{vendor:04x}\", ATTR{{idProduct}}==\"{product:04x}\", MODE=\"0660\", \
         GROUP=\"plugdev\", TAG+=\"uaccess\""
    )
}

/// The commands that install a rule.
pub fn install_rule(rule: &str) -> String {
    format!(
        "echo '{rule}' | sudo tee /etc/udev/rules.d/70-lpu.rules\n\
         sudo udevadm control --reload && sudo udevadm trigger\n\
         sudo usermod -aG plugdev $USER"
    )
}

/// The command that lets the user at serial ports.
pub const JOIN_SERIAL_GROUP: &str = "sudo usermod -aG dialout $USER";

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    /// A computer with one device, whose file is there or not.
    fn computer(id: (&str, &str), with_file: bool) -> (TempDir, Computer) {
        let folder = TempDir::new().unwrap();
        let (list, files) = (folder.path().join("list"), folder.path().join("files"));
        let device = list.join("1-2");
        fs::create_dir_all(&device).unwrap();
        for (file, text) in [
            ("idVendor", id.0),
            ("idProduct", id.1),
            ("busnum", "1"),
            ("devnum", "7"),
            ("product", "ULX3S"),
            ("serial", "D00084"),
        ] {
            fs::write(device.join(file), format!("{text}\n")).unwrap();
        }
        // An interface, which has no vendor.
        fs::create_dir_all(list.join("1-2:1.0")).unwrap();
        if with_file {
            fs::create_dir_all(files.join("001")).unwrap();
            fs::write(files.join("001/007"), "").unwrap();
        }
        let port = SerialPort {
            path: "/dev/ttyUSB0".into(),
            vendor: 0x0403,
            product: 0x6015,
            serial_number: None,
            usable: true,
        };
        let computer = Computer::recorded(&list, &files, vec![port]);
        (folder, computer)
    }

    #[test]
    fn a_board_is_known_by_its_bridge() {
        let (_folder, computer) = computer(("0403", "6015"), true);
        let attached = computer.attached().unwrap();
        let found = attached.iter().find(|found| found.board == "ulx3s-85f").expect("it is plugged in");
        assert_eq!(found.usb.serial_number.as_deref(), Some("D00084"));
        assert!(found.usb.usable && found.usb.node.ends_with("001/007"), "{found:?}");
        assert_eq!(found.port.as_ref().map(|port| port.path.as_str()), Some("/dev/ttyUSB0"));
    }

    #[test]
    fn one_of_several_boards_is_chosen_by_its_number_and_never_guessed() {
        let board = Board::find("ulx3s-85f").unwrap();
        let (vendor, product) = board.usb_id().unwrap();
        let usb = |number: Option<&str>| UsbDevice {
            vendor,
            product,
            name: "ULX3S".into(),
            serial_number: number.map(Into::into),
            node: "/dev/bus/usb/001/007".into(),
            usable: true,
        };
        let other = UsbDevice { product: product + 1, ..usb(Some("Z")) };
        let choose = |numbers: &[Option<&str>], wanted| {
            let attached: Vec<UsbDevice> =
                numbers.iter().map(|number| usb(*number)).chain([other.clone()]).collect();
            super::choose(&board, &attached, wanted).map_err(|error| error.to_string())
        };
        assert_eq!(choose(&[], None), Ok(None));
        assert_eq!(choose(&[Some("A")], None), Ok(None));
        assert_eq!(choose(&[], Some("A")), Ok(Some("A".into())));
        assert_eq!(choose(&[Some("A"), Some("B")], Some("B")), Ok(Some("B".into())));
        let title = &board.title;
        assert_eq!(
            choose(&[Some("A"), Some("B")], None),
            Err(format!("expected one {title}, found 2: choose `--serial A` or `--serial B`"))
        );
        assert_eq!(
            choose(&[Some("A")], Some("B")),
            Err(format!("expected {title} with the serial number B, found none: choose `--serial A`"))
        );
        for alike in [[None, None], [Some("A"), None], [Some("A"), Some("A")]] {
            assert_eq!(
                choose(&alike, None),
                Err(format!(
                    "expected one {title}, found 2 that cannot be told apart by serial numbers: unplug all but one and leave out \
                     --serial"
                ))
            );
        }
    }

    #[test]
    fn other_devices_are_no_boards_and_absent_files_are_not_usable() {
        let (_folder, computer) = computer(("1d6b", "0002"), false);
        assert_eq!(computer.attached().unwrap(), []);
        let devices = computer.usb_devices();
        assert_eq!(devices.len(), 1);
        assert!(!devices[0].usable);
    }
}
