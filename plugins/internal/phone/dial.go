package phone

import (
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// National is an E.164 number as it is dialled in the PBX's country, without a line prefix; the international form of
// digits for other countries.
func (p *Plan) National(e164 string) string {
	if rest, home := strings.CutPrefix(e164, "+"+p.s.Country); home && p.home(e164) {
		return p.s.Trunk + rest
	}
	return p.s.International + strings.TrimPrefix(e164, "+")
}

// FromInside is an E.164 number as it is dialled at a telephone of the PBX: its extension where it is an own number that
// has one, else with the line prefix.
func (p *Plan) FromInside(e164 string) string {
	if ext, _ := p.Own(e164); ext != "" {
		return ext
	}
	return p.s.Line + p.National(e164)
}

// Written is an E.164 number as people like to read it: +49 721 12345100.
func Written(e164 string) string {
	n, err := phonenumbers.Parse(e164, phonenumbers.UNKNOWN_REGION)
	if err != nil {
		return e164
	}
	return phonenumbers.Format(n, phonenumbers.INTERNATIONAL)
}

// home reports whether the number has the PBX's country code, not one that begins alike.
func (p *Plan) home(e164 string) bool {
	n, err := phonenumbers.Parse(e164, phonenumbers.UNKNOWN_REGION)
	if err != nil {
		_, own := p.Own(e164)
		return own
	}
	return strconv.Itoa(int(n.GetCountryCode())) == p.s.Country
}
