package linkedin

import (
	"errors"
	"slices"
	"strings"

	"vitae/ledger"
)

// Told gives an error of the commands that a request came to in LinkedIn's names. section
// is "" for the main resource; patch says that the request was a patch. Other errors than
// a *ledger.Refusal stay as they are.
func Told(section string, patch bool, err error) error {
	var refusal *ledger.Refusal
	if !errors.As(err, &refusal) {
		return err
	}
	at := ""
	if patch {
		at = atSet
	}
	out := &ledger.Refusal{}
	for _, f := range refusal.Fields {
		if s := sectionOf(section); s != nil {
			f.Pointer = at + s.told(f.Pointer)
		} else {
			f.Pointer = toldMain(f.Pointer)
		}
		if !slices.Contains(out.Fields, f) { // two native fields can be one of LinkedIn's
			out.Fields = append(out.Fields, f)
		}
	}
	return out
}

// nameIn takes the longest name off a pointer that is says is one: "/linkedin/ims/x" is
// "linkedin.ims", its locale "", and the rest "/x".
func nameIn(pointer string, is func(name string) bool) (name, locale, rest string, ok bool) {
	segments := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for n := min(3, len(segments)); n > 0; n-- {
		name, locale, _ = strings.Cut(strings.Join(segments[:n], "."), "@")
		if is(name) {
			for _, s := range segments[n:] {
				rest += "/" + s
			}
			return name, locale, rest, true
		}
	}
	return "", "", "", false
}

// toldMain is where the main resource's client wrote what a native pointer leads to.
func toldMain(pointer string) string {
	name, locale, rest, ok := nameIn(pointer, func(name string) bool { _, _, ok := ledger.Lookup(name); return ok })
	if !ok {
		return atPatch
	}
	for _, lane := range []string{ProfilePicture, BackgroundPicture} {
		if pictureOf(lane) == name {
			return atPatch + "/" + lane + "/$set"
		}
	}
	if i := slices.IndexFunc(sections, func(s section) bool { return s.from == name }); i >= 0 {
		return atSet + "/" + sections[i].name + "Order"
	}
	i := slices.IndexFunc(fields, func(f field) bool { return slices.Contains(f.from, name) })
	if i < 0 {
		return atPatch
	}
	f := fields[i]
	switch at := ledger.PointerTo(atSet, f.name); {
	case f.as == kindGroup:
		return at + "/" + name[strings.LastIndexByte(name, '.')+1:] + rest
	case f.as == kindWebsites: // its members are in another order here
		return at
	case locale != "":
		return at + "/localized/" + locale
	default:
		return at + rest
	}
}

// told is where in an entry its client wrote, or would have, what a native pointer leads to.
func (s *section) told(pointer string) string {
	name, locale, rest, ok := nameIn(pointer, func(name string) bool {
		return slices.ContainsFunc(s.members, func(m part) bool { return m.from == name })
	})
	if !ok {
		return ""
	}
	m := s.members[slices.IndexFunc(s.members, func(m part) bool { return m.from == name })]
	at := ledger.PointerTo("", m.to)
	switch {
	case locale != "" && (m.as == local || m.as == rich):
		return at + "/localized/" + locale
	case m.as == plain:
		return at + rest
	}
	return at
}
