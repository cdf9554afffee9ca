package phone

import "strings"

// block is a run of own numbers: those that are prefix and then from to to, all of one length.
type block struct{ prefix, from, to string }

// parseBlock reads "+49 721 12345 100-199": the last group says which extensions there are, what stands before it leads
// to them.
func (p *Plan) parseBlock(text string) (block, bool) {
	text = strings.TrimSpace(text)
	at := strings.LastIndexByte(text, ' ')
	if at < 0 {
		return block{}, false
	}
	prefix, ok := digitsOf(text[:at])
	from, to, ranged := strings.Cut(text[at+1:], "-")
	if !ranged {
		to = from
	}
	if !ok || from == "" || len(from) != len(to) || from > to || !digits(from) || !digits(to) {
		return block{}, false
	}
	if prefix, ok = p.full(prefix); !ok || len(prefix)+len(from) > maxE164 {
		return block{}, false
	}
	return block{prefix, from, to}, true
}

// extension is the last part of a number of this block.
func (b block) extension(e164 string) (string, bool) {
	ext, ok := strings.CutPrefix(e164, b.prefix)
	return ext, ok && len(ext) == len(b.from) && ext >= b.from && ext <= b.to
}

// Own says whether an outside number (E.164) is one of the PBX's, and which extension it ends in; a main number has none.
func (p *Plan) Own(e164 string) (extension string, own bool) {
	for _, m := range p.main {
		if m == e164 {
			return "", true
		}
	}
	for _, b := range p.blocks {
		if ext, ok := b.extension(e164); ok {
			return ext, true
		}
	}
	return "", false
}

// Outside is the own number (E.164) that ends in an extension, where there is one.
func (p *Plan) Outside(extension string) (e164 string, ok bool) {
	for _, b := range p.blocks {
		if _, ok := b.extension(b.prefix + extension); ok {
			return b.prefix + extension, true
		}
	}
	return "", false
}
