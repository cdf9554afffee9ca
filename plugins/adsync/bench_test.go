package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/plugins/internal/slapdtest"
)

// BenchmarkSync synchronises 10,000 people of an OpenLDAP server in a process of their own, and once more without a change.
func BenchmarkSync(b *testing.B) {
	const people = 10_000
	var ldif strings.Builder
	for i := range people {
		ldif.WriteString(slapdtest.Person("", fmt.Sprintf("u%05d", i), "Given", fmt.Sprintf("Surname %d", i), "displayName: Given Surname", "title: Somebody",
			"departmentNumber: 12", "o: Corp", fmt.Sprintf("telephoneNumber: +49 721 50001%04d", i), fmt.Sprintf("mobile: +49 171 2%06d", i)))
	}
	for b.Loop() {
		bed := newBed(b, ldif.String())
		bed.set("numbers.blocks", []string{"+49 721 5000 10000-19999"})
		bed.set("numbers.max_extension", 5)
		for _, run := range []string{"first", "second"} {
			began := time.Now()
			cmd := bed.start()
			if err := cmd.Wait(); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(time.Since(began).Seconds(), "s/"+run)
			b.ReportMetric(float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)/1024, "MB/"+run)
		}
		if n := len(bed.state().Users); n != people {
			b.Fatalf("there are %d users", n)
		}
	}
}
