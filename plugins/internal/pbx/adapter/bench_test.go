package adapter

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/export"
)

// town is 10,000 users with two numbers each, in groups of 100.
func town() (s pbx.State) {
	for i := range 10_000 {
		u := pbx.User{ID: pbx.ID(fmt.Sprintf("8f817e55-0f40-4b3d-a3f7-%012d", i)), External: fmt.Sprintf("8f817e55-0f40-4b3d-a3f7-%012d", i),
			Login: fmt.Sprint("user", i), GivenName: "Anna-Maria", Surname: fmt.Sprint("Müller ", i), Mail: fmt.Sprintf("user%d@example.com", i),
			Department: "Sales", Company: "Example", Extension: fmt.Sprint(10_000 + i), Status: pbx.Active,
			Numbers: []pbx.Number{{E164: fmt.Sprint("+4972112", 10_000+i), Use: pbx.Phone}, {E164: fmt.Sprint("+49170123", 10_000+i), Use: pbx.Mobile}}}
		s.Users = append(s.Users, u)
		if i%100 == 0 {
			s.Groups = append(s.Groups, pbx.Group{ID: pbx.ID(fmt.Sprintf("group-%03d", i/100)), Name: fmt.Sprint("Group ", i)})
		}
		g := &s.Groups[len(s.Groups)-1]
		g.Members = append(g.Members, u.ID)
	}
	return s
}

func BenchmarkTenThousandUsers(b *testing.B) {
	all := town()
	for name, s := range map[string]Settings{
		"generic":  {Formats: export.Formats()},
		"asterisk": {Kind: Asterisk, Endpoint: "phone"},
	} {
		b.Run(name+"/first", func(b *testing.B) {
			for b.Loop() {
				s.Dir = b.TempDir()
				sync(b, s, b.TempDir(), all)
			}
			inUse(b)
		})
		b.Run(name+"/unchanged", func(b *testing.B) {
			own := b.TempDir()
			s.Dir = b.TempDir()
			sync(b, s, own, all)
			for b.Loop() {
				if r := sync(b, s, own, all); r.Changed() {
					b.Fatalf("%+v", r)
				}
			}
			inUse(b)
		})
	}
}

// sync is what a run of a module costs here: open, read, compare, apply.
func sync(b *testing.B, s Settings, own string, want pbx.State) pbx.Result {
	a, err := Open(s, own, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer a.Close()
	have, err := a.Read(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	r, err := a.Apply(b.Context(), pbx.Diff(have, want))
	if err != nil {
		b.Fatal(err)
	}
	return r
}

// inUse reports what the process has got from the system for its heap, at its most.
func inUse(b *testing.B) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapSys)/(1<<20), "MiB-heap")
}
