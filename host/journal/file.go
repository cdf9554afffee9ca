package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

const (
	prefix = "events-"
	suffix = ".jsonl"
)

func (j *Journal) path(number int) string {
	return filepath.Join(j.dir, fmt.Sprintf("%s%08d%s", prefix, number, suffix))
}

// list returns the numbers of the files in dir, lowest first.
func list(dir string) (numbers []int, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		text, ok := strings.CutPrefix(e.Name(), prefix)
		text, ok2 := strings.CutSuffix(text, suffix)
		if n, err := strconv.Atoi(text); ok && ok2 && err == nil && n > 0 && len(text) >= 8 {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, err
}

// openNewest opens the file at path for writing, without what may be torn at its
// end, and returns the size of the whole lines in it.
func openNewest(path string) (*os.File, int64, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, 0, err
	}
	size, err := wholeLines(f)
	if err == nil {
		err = f.Truncate(size)
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, size, nil
}

// wholeLines returns how far the lines in f go that have an end.
func wholeLines(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	chunk := make([]byte, maxLine)
	for end := info.Size(); end > 0; end -= maxLine {
		from := max(0, end-maxLine)
		tail := chunk[:end-from]
		if _, err := f.ReadAt(tail, from); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(tail, '\n'); i >= 0 {
			return from + int64(i) + 1, nil
		}
	}
	return 0, nil
}
