package phone

import (
	"regexp"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// services are numbers that countries keep for themselves, as they are dialled there, beyond those that the library knows
// as emergency numbers.
var services = map[string]*regexp.Regexp{
	"49": regexp.MustCompile(`^(110|112|115|116[0-9]{3}|118[0-9]{2,3}|19222)$`),
	"43": regexp.MustCompile(`^(112|122|133|140|141|142|144|147|116[0-9]{3}|118[0-9]{2,3})$`),
	"41": regexp.MustCompile(`^(112|117|118|140|143|144|145|147|161|162|163|1414|1415|116[0-9]{3}|18[0-9]{2})$`),
}

// anywhere are understood by networks far beyond their own countries.
var anywhere = regexp.MustCompile(`^(112|911|999|116[0-9]{3})$`)

// service reports whether digits call for help or a service, however they are written: bare, with the country or area
// code, or behind the line prefix, since the PBX would take each of these for it.
func (p *Plan) service(d string) bool {
	short := func(s string) bool {
		own := services[p.s.Country]
		return anywhere.MatchString(s) || own != nil && own.MatchString(s) || digits(s) && s != "" && phonenumbers.IsEmergencyNumber(s, p.region())
	}
	if short(d) {
		return true
	}
	if rest, ok := strings.CutPrefix(d, p.s.Line); ok && p.s.Line != "" && short(rest) {
		return true
	}
	e164, ok := p.full(d)
	if !ok || d[0] != '+' && !p.dialledOutside(d) {
		return false
	}
	national, home := strings.CutPrefix(e164, "+"+p.s.Country)
	local, sameArea := strings.CutPrefix(national, p.s.Area)
	return home && (short(national) || sameArea && p.s.Area != "" && short(local))
}
