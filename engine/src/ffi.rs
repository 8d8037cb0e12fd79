//! The only unsafe code of the crate: libchdb's C functions behind owned handles.
//!
//! The rules these handles keep, which the C interface leaves to its caller:
//! * the library is loaded once and never unloaded, since its threads outlive any one call;
//! * a connection serves one statement at a time, so every call takes `&mut` and a handle is `Send` but not `Sync`;
//! * a result or an insert stream is destroyed exactly once, by `Drop`;
//! * text and data are passed with their lengths; the engine copies them before a call returns.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::path::Path;
use std::ptr::NonNull;

use libloading::Library;

/// Declares the table of functions and resolves each one by its name in the library.
macro_rules! functions {
    ($(fn $name:ident($($arg:ty),*) $(-> $ret:ty)?;)*) => {
        struct Functions { $($name: unsafe extern "C" fn($($arg),*) $(-> $ret)?,)* }

        impl Functions {
            fn resolve(library: &Library) -> Result<Self, libloading::Error> {
                // SAFETY: the signatures below are those of the engine's header for the release that is pinned.
                unsafe { Ok(Self { $($name: *library.get(concat!(stringify!($name), "\0").as_bytes())?,)* }) }
            }
        }
    };
}

type Handle = *mut c_void;
type Text = *const u8;
type Texts = *const Text;

functions! {
    fn chdb_set_signal_handlers_enabled(c_int);
    fn chdb_connect(c_int, *mut *mut c_char) -> *mut Handle;
    fn chdb_close_conn(*mut Handle);
    fn chdb_classify_query_n(Handle, Text, usize, Text, usize, *mut Analysis) -> c_int;
    fn chdb_query_with_params_n(Handle, Text, usize, Text, usize, Texts, *const usize, Texts, *const usize, usize) -> Handle;
    fn chdb_result_buffer(Handle) -> *const u8;
    fn chdb_result_length(Handle) -> usize;
    fn chdb_result_error(Handle) -> *const c_char;
    fn chdb_result_rows_read(Handle) -> u64;
    fn chdb_result_bytes_read(Handle) -> u64;
    fn chdb_result_storage_rows_read(Handle) -> u64;
    fn chdb_result_storage_bytes_read(Handle) -> u64;
    fn chdb_result_rows_written(Handle) -> u64;
    fn chdb_result_bytes_written(Handle) -> u64;
    fn chdb_destroy_query_result(Handle);
    fn chdb_stream_insert_with_params_n(Handle, Text, usize, Text, usize, Texts, *const usize, Texts, *const usize, usize) -> Handle;
    fn chdb_stream_insert_error(Handle) -> *const c_char;
    fn chdb_stream_append(Handle, Text, usize) -> c_int;
    fn chdb_stream_done(Handle) -> Handle;
    fn chdb_stream_cancel_insert(Handle);
    fn chdb_destroy_insert_stream(Handle);
}

/// libchdb, loaded. Cheap to copy around as a `&'static`.
pub(crate) struct Engine {
    functions: Functions,
    /// Held for the life of the process: the functions above point into it.
    _library: Library,
}

/// What a statement does, as the engine's own parser sees it (`chdb_query_analysis_v1`).
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Analysis {
    struct_size: u32,
    /// Statements in the text; zero when it does not parse.
    pub(crate) statements: u32,
    flags: u32,
    class: u32,
}

impl Analysis {
    /// Leaves no trace: `SELECT`, `SHOW`, `DESCRIBE`, `EXPLAIN`, `EXISTS`.
    pub(crate) fn is_read_only(&self) -> bool {
        self.class == 0
    }
}

/// Rows and bytes of a finished statement.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) read_rows: u64,
    pub(crate) read_bytes: u64,
    pub(crate) written_rows: u64,
    pub(crate) written_bytes: u64,
    pub(crate) result_rows: u64,
    pub(crate) result_bytes: u64,
}

/// A query parameter: name and value, as `param_<name>=<value>` gives them.
pub(crate) type Parameter = (String, String);

impl Engine {
    /// Loads the library for the rest of the process.
    ///
    /// # Errors
    /// The file cannot be loaded, or lacks a function: it is not the libchdb that is pinned.
    pub(crate) fn load(path: &Path) -> Result<&'static Self, libloading::Error> {
        // SAFETY: loading runs the library's initialisers; it is the file the operator named.
        let library = unsafe { Library::new(path)? };
        let functions = Functions::resolve(&library)?;
        // SAFETY: called before the first connection, as the engine asks. Its handlers would replace those of the host.
        unsafe { (functions.chdb_set_signal_handlers_enabled)(0) };
        Ok(Box::leak(Box::new(Self { functions, _library: library })))
    }

    /// Opens a connection. The first one starts the engine, the last one closed stops it.
    /// `None` when the engine refuses; it has then written why to standard error.
    pub(crate) fn connect(&'static self, arguments: &[CString]) -> Option<Connection> {
        let mut argv: Vec<*mut c_char> = arguments.iter().map(|a| a.as_ptr().cast_mut()).collect();
        // SAFETY: `argv` holds that many NUL-terminated strings, which live through the call; none is written to.
        let slot = unsafe { (self.functions.chdb_connect)(argv.len() as c_int, argv.as_mut_ptr()) };
        NonNull::new(slot).map(|slot| Connection { engine: self, slot })
    }
}

/// One session of the engine: its settings, current database and temporary tables.
pub(crate) struct Connection {
    engine: &'static Engine,
    slot: NonNull<Handle>,
}

// SAFETY: a connection is bound to no thread; `&mut` on every call keeps it to one statement at a time.
unsafe impl Send for Connection {}

impl Connection {
    fn handle(&self) -> Handle {
        // SAFETY: the slot is valid until `chdb_close_conn`, which only `Drop` calls.
        unsafe { *self.slot.as_ptr() }
    }

    /// Parses `sql` without running it.
    pub(crate) fn analyse(&mut self, sql: &[u8]) -> Analysis {
        let mut analysis =
            Analysis { struct_size: size_of::<Analysis>() as u32, statements: 0, flags: 0, class: u32::MAX };
        // SAFETY: `analysis` says its own size; the text is passed with its length; no target database is named.
        unsafe {
            (self.engine.functions.chdb_classify_query_n)(
                self.handle(),
                sql.as_ptr(),
                sql.len(),
                std::ptr::null(),
                0,
                &raw mut analysis,
            );
        }
        analysis
    }

    /// Runs a statement to its end; `format` is used where the statement names none.
    pub(crate) fn query(&mut self, sql: &[u8], format: &str, parameters: &[Parameter]) -> QueryResult {
        let list = ParameterList::new(parameters);
        // SAFETY: every pointer comes with its length and lives through the call.
        let handle = unsafe {
            (self.engine.functions.chdb_query_with_params_n)(
                self.handle(),
                sql.as_ptr(),
                sql.len(),
                format.as_ptr(),
                format.len(),
                list.names.as_ptr(),
                list.name_lengths.as_ptr(),
                list.values.as_ptr(),
                list.value_lengths.as_ptr(),
                list.names.len(),
            )
        };
        QueryResult { engine: self.engine, handle }
    }

    /// Begins an insert whose rows come in pieces of any size. `sql` is the statement without `FORMAT` and rows.
    ///
    /// # Errors
    /// The engine's text when the statement does not parse or its table cannot take it.
    pub(crate) fn insert(
        &mut self,
        sql: &[u8],
        format: &str,
        parameters: &[Parameter],
    ) -> Result<InsertStream<'_>, String> {
        let list = ParameterList::new(parameters);
        // SAFETY: as in `query`. The stream borrows the connection, so it cannot outlive it.
        let handle = unsafe {
            (self.engine.functions.chdb_stream_insert_with_params_n)(
                self.handle(),
                sql.as_ptr(),
                sql.len(),
                format.as_ptr(),
                format.len(),
                list.names.as_ptr(),
                list.name_lengths.as_ptr(),
                list.values.as_ptr(),
                list.value_lengths.as_ptr(),
                list.names.len(),
            )
        };
        let stream = InsertStream { engine: self.engine, handle, _connection: PhantomData };
        // SAFETY: the handle is never null and stays valid until it is destroyed.
        match unsafe { text((self.engine.functions.chdb_stream_insert_error)(handle)) } {
            Some(error) => Err(error),
            None => Ok(stream),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: called once; results and streams of this connection are gone or hold no pointer into it.
        unsafe { (self.engine.functions.chdb_close_conn)(self.slot.as_ptr()) }
    }
}

/// The outcome of a statement. Owns the engine's buffer.
pub(crate) struct QueryResult {
    engine: &'static Engine,
    handle: Handle,
}

impl QueryResult {
    /// The exception the statement ended with.
    pub(crate) fn error(&self) -> Option<String> {
        if self.handle.is_null() {
            return Some("Code: 49. DB::Exception: the engine gave no result. (LOGICAL_ERROR)".to_owned());
        }
        // SAFETY: the handle is valid until `Drop`; the text belongs to it and is copied.
        unsafe { text((self.engine.functions.chdb_result_error)(self.handle)) }
    }

    /// The formatted result.
    pub(crate) fn bytes(&self) -> &[u8] {
        if self.handle.is_null() {
            return &[];
        }
        // SAFETY: buffer and length describe one allocation that lives as long as the handle.
        unsafe {
            let length = (self.engine.functions.chdb_result_length)(self.handle);
            let buffer = (self.engine.functions.chdb_result_buffer)(self.handle);
            if buffer.is_null() || length == 0 { &[] } else { std::slice::from_raw_parts(buffer, length) }
        }
    }

    /// Rows and bytes that went through the statement.
    pub(crate) fn counts(&self) -> Counts {
        if self.handle.is_null() {
            return Counts::default();
        }
        let (f, h) = (&self.engine.functions, self.handle);
        // SAFETY: plain reads of a valid handle.
        unsafe {
            Counts {
                read_rows: (f.chdb_result_storage_rows_read)(h),
                read_bytes: (f.chdb_result_storage_bytes_read)(h),
                written_rows: (f.chdb_result_rows_written)(h),
                written_bytes: (f.chdb_result_bytes_written)(h),
                result_rows: (f.chdb_result_rows_read)(h),
                result_bytes: (f.chdb_result_bytes_read)(h),
            }
        }
    }
}

impl Drop for QueryResult {
    fn drop(&mut self) {
        if !self.handle.is_null() {
            // SAFETY: called once.
            unsafe { (self.engine.functions.chdb_destroy_query_result)(self.handle) }
        }
    }
}

/// An insert under way. Dropped before [`finish`](Self::finish), it is cancelled: the block being built is not written.
pub(crate) struct InsertStream<'connection> {
    engine: &'static Engine,
    handle: Handle,
    _connection: PhantomData<&'connection mut Connection>,
}

impl InsertStream<'_> {
    /// Hands over a piece of the rows; waits while the engine is behind. False when the insert has failed:
    /// [`finish`](Self::finish) says why.
    pub(crate) fn append(&mut self, data: &[u8]) -> bool {
        // SAFETY: the engine copies the data before it returns.
        unsafe { (self.engine.functions.chdb_stream_append)(self.handle, data.as_ptr(), data.len()) == 0 }
    }

    /// Ends the rows and waits until they are written.
    pub(crate) fn finish(self) -> QueryResult {
        // SAFETY: the handle is valid; the result is owned by the caller. `Drop` then destroys the stream.
        QueryResult { engine: self.engine, handle: unsafe { (self.engine.functions.chdb_stream_done)(self.handle) } }
    }
}

impl Drop for InsertStream<'_> {
    fn drop(&mut self) {
        // SAFETY: cancelling is a no-op after `chdb_stream_done`; the handle is destroyed once.
        unsafe {
            (self.engine.functions.chdb_stream_cancel_insert)(self.handle);
            (self.engine.functions.chdb_destroy_insert_stream)(self.handle);
        }
    }
}

/// The four parallel arrays in which the C interface takes parameters.
struct ParameterList {
    names: Vec<Text>,
    name_lengths: Vec<usize>,
    values: Vec<Text>,
    value_lengths: Vec<usize>,
}

impl ParameterList {
    fn new(parameters: &[Parameter]) -> Self {
        Self {
            names: parameters.iter().map(|(name, _)| name.as_ptr()).collect(),
            name_lengths: parameters.iter().map(|(name, _)| name.len()).collect(),
            values: parameters.iter().map(|(_, value)| value.as_ptr()).collect(),
            value_lengths: parameters.iter().map(|(_, value)| value.len()).collect(),
        }
    }
}

/// Copies a C string that may be absent.
///
/// # Safety
/// `pointer` is null or points to a NUL-terminated string.
unsafe fn text(pointer: *const c_char) -> Option<String> {
    // SAFETY: the caller's promise.
    (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned())
}
