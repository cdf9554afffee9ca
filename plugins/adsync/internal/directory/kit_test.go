package directory_test

import (
	"context"
	"net"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/culvert-pbx/culvert/plugins/adsync/internal/directory"
	"github.com/culvert-pbx/culvert/plugins/internal/slapdtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// at is a server at a port of this machine.
func at(name string, port int) directory.Server {
	return directory.Server{Name: name, Dial: func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	}}
}

// pinned speaks LDAPS to a server by its pin.
func pinned(s *slapdtest.Server) directory.Config {
	return directory.Config{
		Kind: directory.OpenLDAP, Security: directory.LDAPS, Trust: directory.Trust{Pins: []string{s.Pin}},
		User: slapdtest.Reader, Password: slapdtest.Password,
	}
}

func open(t *testing.T, c directory.Config, servers ...directory.Server) *directory.Conn {
	t.Helper()
	conn, err := directory.Open(t.Context(), c, servers, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func dn(uid string) string  { return "uid=" + uid + "," + slapdtest.Base }
func cn(name string) string { return "cn=" + name + "," + slapdtest.Base }

// logins are those of all who were read, in order of the logins.
func logins(r *directory.Reading) string {
	var all []string
	for _, p := range r.People {
		mark := ""
		if p.Admin {
			mark = "!"
		}
		if len(p.Groups) > 0 {
			mark += "[" + strings.Join(p.Groups, " ") + "]"
		}
		all = append(all, p.Login+mark)
	}
	sortStrings(all)
	return strings.Join(all, " ")
}
