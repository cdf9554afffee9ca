package sandbox

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// descriptor reads an open file that stays somebody else's.
type descriptor int

// ReadAt reads like pread.
func (d descriptor) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) {
		got, err := unix.Pread(int(d), b[n:], off+int64(n))
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return n, err
		case got == 0:
			return n, io.EOF
		}
		n += got
	}
	return n, nil
}

// maxLoaders is how deep loaders may lie behind each other; the kernel stops at about as many.
const maxLoaders = 5

// loaders are the files that the kernel executes in order to start a binary: the interpreter that a script names, the
// dynamic loader that a program names, and theirs. A static binary has none. A path that names nothing is left to the
// execution, which fails for it.
func loaders(binary io.ReaderAt) []string {
	var paths []string
	for path := loader(binary); path != "" && len(paths) < maxLoaders; {
		paths = append(paths, path)
		path = loaderOf(path)
	}
	return paths
}

func loaderOf(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	return loader(f)
}

// loader is the path that the head of a file names, "" where it names none.
func loader(f io.ReaderAt) string {
	head := make([]byte, 256) // as much as the kernel looks at
	n, _ := f.ReadAt(head, 0)
	head = head[:n]
	if line, ok := bytes.CutPrefix(head, []byte("#!")); ok {
		line, _, _ = bytes.Cut(line, []byte("\n"))
		if words := strings.Fields(string(line)); len(words) > 0 {
			return words[0]
		}
		return ""
	}
	if !bytes.HasPrefix(head, []byte(elf.ELFMAG)) {
		return ""
	}
	return dynamicLoader(f)
}

// isProgram reports why what is open at fd is not a program of the machine.
func isProgram(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)) // without links
	if err != nil {
		return err
	}
	below := slices.ContainsFunc(runnable, func(dir string) bool { return strings.HasPrefix(path, dir+"/") })
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return errors.New("it is not a file")
	case st.Uid != 0 || st.Mode&0o022 != 0:
		return errors.New("it is not root's alone")
	case !below:
		return fmt.Errorf("it is not below one of %s", strings.Join(runnable, " "))
	}
	return nil
}

func dynamicLoader(f io.ReaderAt) string {
	program, err := elf.NewFile(f)
	if err != nil {
		return ""
	}
	defer program.Close()
	if program.Class != elf.ELFCLASS64 || program.Data != elf.ELFDATA2LSB {
		return "" // the kernel, which starts no others here, would read the rest as if it were one
	}
	for _, part := range program.Progs {
		if part.Type != elf.PT_INTERP {
			continue
		}
		path, err := io.ReadAll(io.LimitReader(part.Open(), 4096))
		if err != nil {
			return ""
		}
		return string(bytes.TrimRight(path, "\x00"))
	}
	return ""
}
