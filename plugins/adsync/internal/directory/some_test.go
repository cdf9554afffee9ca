package directory

import (
	"context"
	"net"
	"strconv"
	"testing"

	"github.com/culvert-pbx/culvert/plugins/internal/slapdtest"
)

// Whether anybody passes is asked without reading everybody, however few entries a server gives.
func TestAsksWhetherThereIsSomebody(t *testing.T) {
	s := slapdtest.Start(t, "dn: ou=in,"+slapdtest.Base+"\nobjectClass: organizationalUnit\nou: in\n\n"+
		slapdtest.Person("ou=in,", "alice", "Alice", "Ames")+slapdtest.Person("", "bob", "Bob", "Bell"))
	server := Server{Name: "dc1", Dial: func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Secure)))
	}}
	for _, c := range []struct {
		people []string
		direct bool
		filter string
		want   bool
	}{
		{nil, false, "(uid=*)", true},
		{nil, false, "(uid=bob)", true},
		{nil, false, "(uid=carl)", false},
		{nil, true, "(uid=alice)", false},
		{[]string{"ou=in," + slapdtest.Base}, false, "(uid=bob)", false},
		{[]string{"ou=in," + slapdtest.Base, slapdtest.Base}, false, "(uid=bob)", true},
	} {
		conn, err := Open(t.Context(), Config{
			Kind: OpenLDAP, Security: LDAPS, Trust: Trust{Pins: []string{s.Pin}}, User: slapdtest.Reader, Password: slapdtest.Password,
			People: c.people, Direct: c.direct,
		}, []Server{server}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := conn.some(t.Context(), []string{c.filter}); got != c.want || err != nil {
			t.Errorf("below %q, directly %v, %s: %v, %v", c.people, c.direct, c.filter, got, err)
		}
		conn.Close()
	}
}
