package export

import (
	"fmt"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/pbxtest"
)

func TestAsterisksDatabase(t *testing.T) {
	s := pbxtest.Sample()
	s.Users[1].DisplayName, s.Users[1].Company = `Bob "B" Bell`, "Bell & Sons, Ltd."
	out, refused := Render(s, AstDB)
	const want = `database put cidname 101 "Anna Müller"
database put cidname +4972112345101 "Anna Müller"
database put cidname +491701234567 "Anna Müller"
database put culvert 101/id "anna"
database put culvert 101/login "anna"
database put culvert 101/display_name "Anna Müller"
database put culvert 101/mail "anna@example.com"
database put culvert 101/department "Sales"
database put culvert 101/phone "+4972112345101"
database put culvert 101/mobile "+491701234567"
database put culvert 102/id "bob"
database put culvert 102/login "bob"
database put culvert 102/mail "bob@example.com"
database put culvert 102/company "Bell & Sons, Ltd."
database put culvert 102/phone "+4972112345102"
database put culvert 102/fax "+4972112345902"
`
	if len(out) != 1 || out[0].Name != "astdb.txt" || string(out[0].Data) != want {
		t.Errorf("it is\n%s", out[0].Data)
	}
	for _, r := range refused {
		if r.User != "bob" || r.Finding.Field != "display_name" {
			t.Errorf("left out is %+v", r)
		}
	}
	if len(refused) != 2 { // as who calls, and as what is known of him
		t.Errorf("left out are %+v", refused)
	}
}

// words takes a command apart as Asterisk's console does: at spaces that are neither quoted nor escaped.
func words(line string) (all []string) {
	quoted, escaped, between := false, false, true
	begin := func() {
		if between {
			all, between = append(all, ""), false
		}
	}
	for _, c := range []byte(line) {
		switch {
		case c == '"' && !escaped:
			if quoted = !quoted; quoted {
				begin()
			}
		case (c == ' ' || c == '\t') && !quoted && !escaped:
			between = true
		case c == '\\' && !escaped:
			escaped = true
		default:
			begin()
			all[len(all)-1] += string([]byte{c})
			escaped = false
		}
	}
	return all
}

// checkDatabase has every command read as Asterisk does: there is nothing but entries, all of them, each once.
func checkDatabase(t *testing.T, data []byte, s pbx.State, leftOut map[string]bool) {
	want := map[string]string{}
	for _, u := range listed(s) {
		name, numbers := u.Name(), []string{u.Extension}
		for _, n := range u.Numbers {
			numbers = append(numbers, n.E164)
		}
		for _, n := range numbers {
			if CallerName(name) && n != "" {
				want["cidname "+n] = name
			}
		}
		for _, v := range variables {
			out := v.field != "" && leftOut["astdb.txt|"+string(u.ID)+"||"+v.field]
			if v.field == "display_name" {
				out = !harmless(name) || len(name) > maxEntry // the other reason is that of who calls
			}
			if value := v.value(u); value != "" && u.Extension != "" && !out {
				want[fmt.Sprintf("culvert %s/%s", u.Extension, v.title)] = value
			}
		}
	}
	for line := range strings.Lines(string(data)) {
		w := words(strings.TrimSuffix(line, "\n"))
		if len(line) > 511 || len(w) != 5 || w[0] != "database" || w[1] != "put" {
			t.Fatalf("astdb.txt has %q", line)
		}
		key := w[2] + " " + w[3]
		if got, ok := want[key]; !ok || got != w[4] {
			t.Errorf("astdb.txt has %q for %s, not %q", w[4], key, got)
		}
		delete(want, key)
	}
	if len(want) > 0 {
		t.Errorf("astdb.txt lacks %q", want)
	}
}
