package wire

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// shelf is a registry of some tunnels that nobody changes.
type shelf struct {
	tunnel.Service
	views []tunnel.View
}

func (s shelf) Get(_ context.Context, ref tunnel.Ref) (tunnel.View, error) {
	for _, v := range s.views {
		if v.Ref == ref {
			return v, nil
		}
	}
	return tunnel.View{}, tunnel.NotFoundFinding(ref)
}

func (s shelf) List(context.Context) iter.Seq2[tunnel.View, error] {
	return func(yield func(tunnel.View, error) bool) {
		for _, v := range s.views {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// put adds a tunnel with mappings, each KIND=NAME=SPEC.
func (s *shelf) put(ref, configuration string, mappings ...string) {
	v := tunnel.View{}
	v.Ref, _ = tunnel.ParseRef(ref)
	v.Configuration = configuration
	for _, text := range mappings {
		kind, rest, _ := strings.Cut(text, "=")
		m, fs := tunnel.ParseMapping(tunnel.Kind(kind), rest)
		if len(fs) > 0 {
			panic(fs)
		}
		v.Mappings = append(v.Mappings, m)
	}
	s.views = append(s.views, v)
}

func recordings() *shelf {
	s := &shelf{}
	s.put("callrecording/main.archive", "main", "reach=smb=:445", "reach=sql=:1433")
	s.put("callrecording/main.copy", "main", "reach=smb=:445", "expose=status=:8080", "expose=web=8081:8081")
	s.put("callrecording/other.third", "other", "reach=ftp=:21")
	s.put("callrecording/archive", "", "reach=nfs=:2049")
	s.put("callrecording/office", "", "reach=smb=:445")
	s.put("adsync/main.archive", "main", "reach=ldap=:636")
	s.put("operator/office", "", "reach=web=8080:80")
	return s
}

func TestFindReach(t *testing.T) {
	for _, c := range []struct {
		text string
		ref  string
		err  error
		says string
	}{
		{text: "sql", ref: "callrecording/main.archive"},
		{text: "archive/smb", ref: "callrecording/main.archive"},
		{text: "copy/smb", ref: "callrecording/main.copy"},
		{text: "office/smb", ref: "callrecording/office"},
		{text: "smb", err: tunnel.ErrInvalid, says: "callrecording/main.archive and callrecording/main.copy have a mapping smb each"},
		{text: "archive/nfs", err: tunnel.ErrNotFound, says: "archive/nfs"}, // the site of that name goes first
		{text: "ftp", err: tunnel.ErrNotFound, says: "configuration main has no tunnel with a mapping ftp"},
		{text: "other.third/ftp", ref: "callrecording/other.third"},
		{text: "ldap", err: tunnel.ErrNotFound},
		{text: "", err: tunnel.ErrNotFound},
		{text: "/", err: tunnel.ErrNotFound},
	} {
		t.Run(c.text, func(t *testing.T) {
			site, mapping := SplitMapping(c.text)
			ref, m, err := FindReach(t.Context(), recordings(), "callrecording", "main", site, mapping)
			if !errors.Is(err, c.err) || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Fatalf("it is %v", err)
			}
			if err == nil && (ref.String() != c.ref || m.Name != mapping) {
				t.Errorf("it is %s/%s", ref, m.Name)
			}
		})
	}
}
