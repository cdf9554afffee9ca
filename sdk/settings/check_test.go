package settings

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// whole has everything required.
func whole(more string) string {
	doc := `{"base":"dc=x","extra":{"token":"t"}`
	if more != "" {
		doc += "," + more
	}
	return doc + "}"
}

func TestCheckAccepts(t *testing.T) {
	schema := schemaOf[full](t)
	for _, doc := range []string{
		whole(``),
		whole(`"site":{}`),
		whole(`"site":{"server":"pbx@[::1]:2222","login":"password","password":"***","fingerprint":"195b3f4f1cebeb59eea4289a2559fedb",
			"slots":{"dc1":{"on":false,"kind":"expose","spec":"what the slot's module says","lane":"bulk"}}}`),
		whole(`"site":{"server":"h","via":"socks5://u@[::1]:1080","via_password":"x","lan":"192.168.1.10","slots":{"dc1":{"lane":"main"}}}`),
		whole(`"site":{"via":"","via_password":"","lan":""}`),
		whole(`"ratio":` + "-0." + strings.Repeat("1", 29)),
		whole(`"port":1,"ratio":-0.5,"tiny":-128,"on":false,"security":"starttls","groups":[],"numbers":[0,65535],"names":{"a_B-1":"x"}`),
		whole(`"sites":{"rome":{"server":"h"},"berlin":{}},"branches":{"paris":{"base":"b","site":{"server":"h"},"bind_password":"x"}}`),
		whole(`"rules":[{"to":"x"},{"from":"a","to":"b"}]`),
		whole(`"names":{"ca":"-----BEGIN CERTIFICATE-----\n\tMIIB\n","windows":"-----BEGIN CERTIFICATE-----\r\nMIIB\r\n","arabic":"\u200fابن\u200f"}`),
	} {
		expect(t, Check(schema, json.RawMessage(doc)))
	}
	expect(t, Check(nil, nil))
	expect(t, Check(nil, json.RawMessage(`{}`)))
	expect(t, Check(schemaOf[struct{}](t), json.RawMessage(" ")))
}

func TestCheckRefuses(t *testing.T) {
	schema := schemaOf[full](t)
	for _, c := range []struct {
		doc  string
		want []string
	}{
		{`{}`, []string{"required base", "required extra.token"}},
		{``, []string{"required base", "required extra.token"}},
		{`{"base":"","extra":{}}`, []string{"required base", "required extra.token"}},
		{whole(`"nope":1,"site":{"serve":"x","slots":{"dc3":{}}},"extra.x":2`),
			[]string{"unknown-key extra.x extra.x", "unknown-key nope nope", "unknown-key site.serve serve", "unknown-key site.slots.dc3 dc3"}},
		{whole(`"port":"389","on":"yes","names":[],"groups":"a","tiny":1.5,"ratio":"x","base2":null`),
			[]string{"unknown-key base2 base2", "malformed groups a", "malformed names", "malformed on yes", "malformed port 389", "malformed ratio x", "malformed tiny 1.5", "malformed tiny 1.5"}},
		{whole(`"port":1.0`), []string{"malformed port 1.0"}},
		{whole(`"site":null,"security":null`), []string{"malformed security", "malformed site"}},
		{whole(`"port":0,"ratio":1.6,"tiny":128,"numbers":[1,65536,-1]`),
			[]string{"out-of-range numbers[1] 65536", "out-of-range numbers[2] -1", "out-of-range port 0", "out-of-range ratio 1.6", "out-of-range tiny 128"}},
		{`{"base":"012345678901234567890","extra":{"token":"t"}}`, []string{"too-long base 012345678901234567890"}},
		{whole(`"security":"none"`), []string{"malformed security none"}},
		{whole(`"groups":[` + strings.Repeat(`"g",`, 1000) + `"g"]`), []string{"too-long groups"}},
		{whole(`"rules":[{"to":"x"},{"from":7}]`), []string{"malformed rules[1].from 7", "required rules[1].to"}},
		{whole(`"site":{"server":"-oProxyCommand=x","login":"magic","fingerprint":"zz","slots":{"dc1":{"kind":"x","on":1}}}`),
			[]string{"malformed site.fingerprint zz", "malformed site.login magic", "malformed site.server -oProxyCommand=x", "malformed site.slots.dc1.kind x", "malformed site.slots.dc1.on 1"}},
		{whole(`"site":{"server":"h:0"}`), []string{"out-of-range site.server 0"}},
		{whole(`"site":{"via":"proxy:3128","lan":"h","slots":{"dc1":{"lane":"fast"}}},"sites":{"rome":{"via":"http://p","via_password":7}}`),
			[]string{"malformed site.lan h", "malformed site.slots.dc1.lane fast", "malformed site.via proxy:3128", "required sites.rome.via p", "malformed sites.rome.via_password ***"}},
		{whole(`"sites":{"Rome":{}}`), []string{"malformed sites.Rome Rome"}},
		{whole(`"sites":{"` + strings.Repeat("s", 23) + `":{}}`), []string{"too-long sites." + strings.Repeat("s", 23) + " " + strings.Repeat("s", 23)}},
		{whole(`"sites":{"rome":{}},"branches":{"rome":{"base":"x"}}`), []string{"exists branches.rome.site rome"}},
		{whole(`"sites":{"site":{}}`), []string{"exists sites.site site"}},
		{whole(`"branches":{"a":{}}`), []string{"required branches.a.base"}},
		{whole(`"names":{"a.b":"x"}`), []string{"malformed names.a.b a.b"}},
		{whole(`"names":{"":"x"}`), []string{"malformed names."}},
		{whole(`"na\u001bmes":1`), []string{`unknown-key na\x1bmes na\x1bmes`}},
		{whole(`"bind_password":4711`), []string{"malformed bind_password ***"}},
		{whole(`"site":{"password":["canary"]}`), []string{"malformed site.password"}},
		{whole(`"site":{"password":"a\u0000b"},"bind_password":"a\rb"`), []string{"malformed bind_password", "malformed site.password"}},
		{whole(`"site":{"password":"a\nb","via_password":"a\tb"},"bind_password":"-----BEGIN\n\tkey\n"`), []string{"malformed site.password", "malformed site.via_password"}},
		{whole(`"groups":["fine","\u001b[31m"],"names":{"a":"\u009b31m"},"rules":[{"to":"x\u0000"},{"to":"x","from":"a\u007fb"}]`),
			[]string{`malformed groups[1] \x1b[31m`, `malformed names.a \u009b31m`, `malformed rules[0].to x\x00`, `malformed rules[1].from a\x7fb`}},
		{whole(`"names":{"a":"over\rwritten"}`), []string{`malformed names.a over\rwritten`}},
		{`{"base":"\u0007","extra":{"token":"t"},"site":{"server":"\u001b"}}`, []string{`malformed base \a`, `malformed site.server \x1b`}},
		{whole(`"sites":{"rome":{"password":"\u001b"}}`), []string{"malformed sites.rome.password"}},
		{whole("\"names\":{\"a\":\"f\xfcr\"}"), []string{"malformed"}},
		{`[]`, []string{"malformed"}}, {`"x"`, []string{"malformed"}}, {`null`, []string{"malformed"}}, {`{"a":1`, []string{"malformed"}},
		{`{"a":1}}`, []string{"malformed"}}, {`{"a":1} {}`, []string{"malformed"}}, {`{a:1}`, []string{"malformed"}},
		{`{"base":"a","base":null}`, []string{"malformed base"}},
		{`{"site":{"server":"a","server":"b"}}`, []string{"malformed site.server"}},
		{`{"port":1e999999999}`, []string{"malformed port 1e999999999"}},
		{`{"port":` + strings.Repeat("9", 40) + `}`, []string{"malformed port " + strings.Repeat("9", 40)}},
		{`{"base":"` + strings.Repeat("x", MaxDocument) + `"}`, []string{"too-long"}},
	} {
		t.Run(tunnel.Clean(c.doc, 60), func(t *testing.T) { expect(t, Check(schema, json.RawMessage(c.doc)), c.want...) })
	}
	deep := Check(schema, json.RawMessage(`{"names":`+strings.Repeat(`{"a":`, 50)+`1`+strings.Repeat("}", 51)))
	if len(deep) != 1 || deep[0].Code != tunnel.Malformed || !strings.Contains(deep[0].Message, "too deep") {
		t.Errorf("got %v", deep)
	}
	expect(t, Check(nil, json.RawMessage(`{"a":1}`)), "unknown-key a a")
}

// TestOddSchema: a schema may say of the whole document what no document fulfils.
func TestOddSchema(t *testing.T) {
	fs := Check(json.RawMessage(`{"type":"object","additionalProperties":false,"enum":["x"]}`), nil)
	expect(t, fs, "malformed")
	if !strings.Contains(fs[0].Message, "the document is not one of its values") {
		t.Errorf("got %q", fs[0].Message)
	}
}

func TestLimitsAreIncluded(t *testing.T) {
	doc := `{"names":{"` + strings.Repeat("k", maxKey) + `":"","aZ09_-":""}` // and as long as a document may be
	doc += strings.Repeat(" ", MaxDocument-len(doc)-1) + "}"
	schema := string(schemaOf[struct {
		Names map[string]string `json:"names"`
	}](t))
	schema += strings.Repeat(" ", MaxSchema-len(schema))
	expect(t, Check(json.RawMessage(schema), json.RawMessage(doc)))
	expect(t, Check(json.RawMessage(schema), json.RawMessage(doc+" ")), "too-long")
	if err := CheckSchema(json.RawMessage(schema + " ")); err == nil {
		t.Error("a schema beyond the limit is taken")
	}
}

func TestFindingsAreBounded(t *testing.T) {
	var doc strings.Builder
	for i := range 10000 {
		fmt.Fprintf(&doc, `,"wrong%d":1`, i)
	}
	fs := Check(nil, json.RawMessage("{"+doc.String()[1:]+"}"))
	says(t, fs)
	if len(fs) != maxFindings+1 || fs[maxFindings].Code != tunnel.TooMany || !strings.Contains(fs[maxFindings].Message, "9900 more") {
		t.Errorf("got %d findings, last %v", len(fs), fs[len(fs)-1])
	}
}

func TestRequiredSite(t *testing.T) {
	schema := schemaOf[struct {
		Site tunnel.Site `json:"site" required:"true"`
	}](t)
	for _, doc := range []string{`{}`, `{"site":{}}`, `{"site":{"server":""}}`} {
		expect(t, Check(schema, json.RawMessage(doc)), "required site.server")
	}
	expect(t, Check(schema, json.RawMessage(`{"site":{"server":"h"}}`)))
}

func TestFindingsAreInPlainWords(t *testing.T) {
	for doc, want := range map[string]string{
		`"port":"x"`:   "port: port is text; give a whole number",
		`"port":true`:  "port: port is true or false; give a whole number",
		`"on":1`:       "on: on is a number; give true or false",
		`"ratio":null`: "ratio: ratio is nothing; give a number",
		`"groups":{}`:  "groups: groups is a group; give a list",
		`"names":[]`:   "names: names is a list; give a group",
		`"port":0`:     "port: port is too small; give at least 1",
		`"ratio":2`:    "ratio: ratio is too large; give at most 1.5",
		`"nope":1`:     "nope: there is no setting nope; there are site, base, bind_password, port,",
	} {
		if got := Check(schemaOf[full](t), json.RawMessage(whole(doc))).Error(); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %q, want %q", doc, got, want)
		}
	}
}

// TestFindingsNeverHoldSecrets puts a canary where a secret goes, in every shape that is refused.
func TestFindingsNeverHoldSecrets(t *testing.T) {
	schema := schemaOf[full](t)
	for _, doc := range []string{
		`{"bind_password":["canary"]}`, `{"bind_password":{"canary":1}}`, `{"bind_password":"` + strings.Repeat("canary", 1000) + `"}`,
		`{"site":{"password":{"x":"canary"}}}`, `{"site":{"password":"canary","server":"a b"}}`, `{"branches":{"a":{"bind_password":["canary"]}}}`,
		`{"bind_password":4e711}`, `{"bind_pasword":4e711}`, `{"bind_password":4711}`, `{"branches":{"a":{"bind_password":4711}}}`,
		`{"site":{"via_password":["canary"]}}`, `{"site":{"via_password":"canary\u0000"}}`, `{"site":{"via":"http://u:canary@p:1"}}`,
		`{"site":{"via":"http://u:` + strings.Repeat("canary", 1000) + `@p:1"}}`, `{"site":{"via":"u:canary@p:1"}}`, `{"site":{"via":["http://u:canary@p:1"]}}`,
		`{"site":"canary"}`, `{"sites":{"rome":"canary"}}`, `{"nope":"canary"}`, `{"bind_password":"canary`,
	} {
		fs := Check(schema, json.RawMessage(doc))
		if len(fs) == 0 || strings.Contains(fmt.Sprintf("%+v", fs), "canary") || strings.Contains(fmt.Sprintf("%+v", fs), "711") {
			t.Errorf("%.60s: got %+v", doc, fs)
		}
	}
	for _, c := range []string{"bind_password=canary", "site.password=canary", "site.via_password=canary", "site.via=http://u:canary@p:1", `site={"password":"canary"`, `site={"password":"canary"}x`, `branches=canary`, "canary"} {
		if _, fs := Set(schema, nil, c); strings.Contains(fmt.Sprintf("%+v", fs), "canary") {
			t.Errorf("%s: got %+v", c, fs)
		}
	}
}
