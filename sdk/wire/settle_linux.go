package wire

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// programHeader is one of a 64-bit ELF program.
type programHeader struct {
	Type, Flags                                    uint32
	Offset, Address, Physical, File, Memory, Align uint64
}

const (
	atHeaders, atHeaderSize, atHeaderCount = 3, 4, 5 // of the auxiliary vector

	loaded, headersThemselves = 1, 6 // types of program headers
	writable                  = 2    // a flag of them
)

// dropProgram unmaps the pages of what the process was started from that it can only read or execute: they are the
// file's, and are mapped again when they are touched. The kernel told where they are; a module sees nothing of /proc.
func dropProgram() {
	page := uint64(os.Getpagesize())
	headers, bias := programHeaders()
	for _, h := range headers {
		if h.Type != loaded || h.Flags&writable != 0 {
			continue
		}
		first := (h.Address + bias + page - 1) / page * page // whole pages alone
		last := (h.Address + bias + h.File) / page * page
		if first < last {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, uintptr(first), uintptr(last-first), unix.MADV_DONTNEED) // advice
		}
	}
}

// programHeaders are those of the process's program, and how far from their addresses it lies; none where the kernel does
// not tell, or tells them in another form.
func programHeaders() (headers []programHeader, bias uint64) {
	vector, err := unix.Auxv()
	if err != nil {
		return nil, 0
	}
	told := map[uintptr]uintptr{}
	for _, v := range vector {
		told[v[0]] = v[1]
	}
	at := told[atHeaders]
	if at == 0 || told[atHeaderSize] != unsafe.Sizeof(programHeader{}) {
		return nil, 0
	}
	headers = unsafe.Slice(*(**programHeader)(unsafe.Pointer(&at)), told[atHeaderCount])
	for _, h := range headers {
		if h.Type == headersThemselves {
			return headers, uint64(at) - h.Address
		}
	}
	return nil, 0
}
