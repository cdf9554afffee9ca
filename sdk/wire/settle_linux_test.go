package wire

import (
	"fmt"
	"os"
	"runtime"
	"testing"
)

// ofFiles is how many pages of files the process has mapped now.
func ofFiles(t *testing.T) (pages int) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err == nil {
		var size, resident int
		_, err = fmt.Sscan(string(b), &size, &resident, &pages)
	}
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// The program goes on as if nothing had been: its pages come back from the file.
func TestAProgramThatIsDroppedGoesOn(t *testing.T) {
	if headers, _ := programHeaders(); len(headers) == 0 {
		t.Fatal("the kernel does not tell where the program is")
	}
	before := ofFiles(t)
	for range 100 {
		dropProgram()
		runtime.GC()
		if got := fmt.Sprintf("%v %08.3f", []string{"a"}, 1.5); got != "[a] 0001.500" {
			t.Fatal(got)
		}
	}
	dropProgram()
	if after := ofFiles(t); after > before/2 {
		t.Errorf("%d pages of files were mapped, and %d are", before, after)
	}
}
