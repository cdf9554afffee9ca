//go:build amd64 || arm64

package sandbox

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

const hasFilter = true

// filter is a program that the kernel runs before each system call. It is a list of refusals; what none of them names
// is allowed. Every block begins and ends with the call's number in the accumulator.
type filter []unix.SockFilter

// Where the kernel puts what a program looks at. Of an argument only the low half is read: every argument that is
// judged here is one of 32 bits for the kernel too.
const (
	offNumber = 0
	offArch   = 4
	offArgs   = 16
)

// The instructions used.
const (
	load    = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	and     = unix.BPF_ALU | unix.BPF_AND | unix.BPF_K
	ifEqual = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	ifLeast = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
	ifAnyOf = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
	end     = unix.BPF_RET | unix.BPF_K
)

// op is one instruction; a jump goes yes or no instructions on.
func op(code uint16, k uint32, yes, no int) unix.SockFilter {
	return unix.SockFilter{Code: code, K: k, Jt: uint8(yes), Jf: uint8(no)}
}

func refuse(e unix.Errno) unix.SockFilter {
	return op(end, unix.SECCOMP_RET_ERRNO|uint32(e), 0, 0)
}
func allow() unix.SockFilter             { return op(end, unix.SECCOMP_RET_ALLOW, 0, 0) }
func loadNumber() unix.SockFilter        { return op(load, offNumber, 0, 0) }
func loadArgument(i int) unix.SockFilter { return op(load, uint32(offArgs+8*i), 0, 0) }
func mask(bits uint32) unix.SockFilter   { return op(and, bits, 0, 0) }

// oneOf goes on where the accumulator is one of the values and else refuses the call.
func oneOf(values ...uint32) []unix.SockFilter {
	var body []unix.SockFilter
	for i, v := range values {
		body = append(body, op(ifEqual, v, len(values)-i, 0))
	}
	return append(body, refuse(unix.EPERM))
}

// noneOf refuses the call where the accumulator is one of the values and else goes on.
func noneOf(values ...uint32) []unix.SockFilter {
	var body []unix.SockFilter
	for _, v := range values {
		body = append(body, op(ifEqual, v, 0, 1), refuse(unix.EPERM))
	}
	return body
}

// deny refuses calls whatever their arguments.
func (f *filter) deny(e unix.Errno, calls ...uint32) {
	for _, call := range calls {
		*f = append(*f, op(ifEqual, call, 0, 1), refuse(e))
	}
}

// on has body judge one call: it ends in a verdict or runs through.
func (f *filter) on(call uint32, body ...unix.SockFilter) {
	body = append(body, loadNumber())
	*f = append(*f, op(ifEqual, call, 0, len(body)))
	*f = append(*f, body...)
}

// only allows a call where argument i is one of the values.
func (f *filter) only(call uint32, i int, values ...uint32) {
	f.on(call, append([]unix.SockFilter{loadArgument(i)}, oneOf(values...)...)...)
}

// never refuses a call where argument i is one of the values.
func (f *filter) never(call uint32, i int, values ...uint32) {
	f.on(call, append([]unix.SockFilter{loadArgument(i)}, noneOf(values...)...)...)
}

// restrictCalls puts the calling thread, and all that comes from it, behind the filter.
func restrictCalls(p Plan, pid, binary int) error {
	f := newFilter(p, uint32(pid), uint32(binary))
	program := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return os.NewSyscallError("seccomp", errno)
	}
	return nil
}
