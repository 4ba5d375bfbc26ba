package linkedin

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"vitae/ledger"
	"vitae/sinks"
)

// Mapping is the version of the rules that make bodies. It is part of every hash: when
// the rules change, every account is brought up to date once.
const Mapping = 1

// The standing lanes besides the sections.
const (
	Profile           = "profile"
	ProfilePicture    = "profilePicture"
	BackgroundPicture = "backgroundPicture"
)

// The steps of a lane that needs more than one request.
const (
	stepSet    = "set"
	stepDelete = "delete"
)

// pictureOf gives the catalogue's field of a picture's lane; "" for any other lane.
func pictureOf(entity string) string {
	switch entity {
	case ProfilePicture:
		return "picture"
	case BackgroundPicture:
		return "coverPicture"
	}
	return ""
}

func entities() []sinks.Entity {
	out := []sinks.Entity{
		{Name: Profile, Class: sinks.ClassA},
		{Name: ProfilePicture, Class: sinks.ClassE},
		{Name: BackgroundPicture, Class: sinks.ClassE},
	}
	for _, s := range sections {
		out = append(out, sinks.Entity{Name: s.name, Class: sinks.ClassA, Items: sinks.ClassC, Ordered: true})
	}
	return out
}

// concerns names the lanes that an event can change. The names of a person are among the
// contributors of items, and the locales are in every text: those concern all lanes.
func concerns(e *ledger.Event) (lanes []string, all bool) {
	base, _, _ := strings.Cut(e.Field, "@")
	switch base {
	case "":
		return nil, true
	case ledger.Connections:
		return nil, e.Item == ledger.LinkedIn
	case "firstName", "lastName", supportedLocales:
		return nil, true
	case pictureOf(ProfilePicture):
		return []string{ProfilePicture}, false
	case pictureOf(BackgroundPicture):
		return []string{BackgroundPicture}, false
	}
	for _, s := range sections {
		switch {
		case s.from != base:
		case e.Item != "":
			return []string{s.name, sinks.ItemEntity(s.name, e.Item)}, false
		default:
			return []string{s.name}, false
		}
	}
	if slices.ContainsFunc(fields, func(f field) bool { return slices.Contains(f.from, base) }) {
		return []string{Profile}, false
	}
	return nil, false
}

// items gives the ids of a section's items in their order. A resume that is not there has
// none; nothing is deleted then, because build refuses every body.
func items(section string, p *ledger.Profile) ([]string, error) {
	s := sectionOf(section)
	if s == nil {
		return nil, fmt.Errorf("LinkedIn's section %q: %w", section, ledger.ErrNotFound)
	}
	settings, err := settingsOf(p)
	if err != nil && !errors.As(err, new(*sinks.Unsendable)) {
		return nil, err
	}
	ids := []string{}
	for _, item := range p.Items(settings.Resume, s.from) {
		ids = append(ids, item.ID)
	}
	return ids, nil
}

// settingsOf reads the connection; the resume that it names is there.
func settingsOf(p *ledger.Profile) (sinks.Settings, error) {
	settings, ok, err := sinks.SettingsOf(p, ledger.LinkedIn)
	switch {
	case err != nil:
		return settings, err
	case !ok:
		return settings, fmt.Errorf("connection: %w", ledger.ErrNotFound)
	case p.Resumes[settings.Resume] == nil:
		return settings, &sinks.Unsendable{Why: "the resume that the connection names is not there"}
	}
	return settings, nil
}

// build makes what a lane should be at LinkedIn.
func build(entity string, p *ledger.Profile, have sinks.Have) (sinks.Payload, error) {
	settings, err := settingsOf(p)
	if err != nil {
		return sinks.Payload{}, err
	}
	if from := pictureOf(entity); from != "" {
		return buildPicture(entity, from, p, have)
	}
	section, item := sinks.SplitEntity(entity)
	s := sectionOf(section)
	switch {
	case entity != Profile && s == nil:
		return sinks.Payload{}, fmt.Errorf("LinkedIn's %q: %w", entity, ledger.ErrNotFound)
	case !isPerson(settings.Account):
		return sinks.Payload{}, &sinks.Unsendable{Why: noPerson}
	case s != nil && item == "":
		return buildOrder(s, p, settings.Resume, have), nil
	}
	w := &writer{account: settings.Account}
	if w.all, err = fromProfile(p); err != nil {
		return sinks.Payload{}, err
	}
	w.chooseLocale()
	var out sinks.Payload
	if s != nil {
		out, err = w.item(s, p, settings.Resume, item, have)
	} else {
		out, err = w.profile(p, have)
	}
	switch {
	case err != nil:
		return sinks.Payload{}, err
	case len(w.wrong) > 0:
		return sinks.Payload{}, &sinks.Unsendable{Why: strings.Join(w.wrong, "; ")}
	}
	return out, nil
}

const noPerson = "the connection's account is not a person id of LinkedIn: 1 to 64 letters, digits, - or _"

// isPerson says whether an account can stand in a path and a URN.
func isPerson(id string) bool {
	return id != "" && len(id) <= 64 && strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// personURN names the member where LinkedIn wants a URN.
func personURN(account string) string { return "urn:li:person:" + account }

// buildOrder makes the order of a section: the ids of the items that are there. Fewer
// than two need none.
func buildOrder(s *section, p *ledger.Profile, resume string, have sinks.Have) sinks.Payload {
	list := ledger.Node{Kind: ledger.NodeArray}
	for _, item := range p.Items(resume, s.from) {
		if ref := have.Refs[item.ID]; isRef(ref) {
			list.Elems = append(list.Elems, ledger.Node{Kind: ledger.NodeNumber, Text: ref})
		}
	}
	out := sinks.Payload{Mapping: Mapping}
	if len(list.Elems) > 1 {
		out.Body = list.Append(nil)
		out.Echo = out.Body
	}
	return out
}

// isRef says whether an id is one that LinkedIn gives: a positive number of 63 bits.
func isRef(id string) bool {
	n, err := strconv.ParseInt(id, 10, 64)
	return err == nil && n > 0 && strconv.FormatInt(n, 10) == id
}

// buildPicture makes a picture's lane. Its echo is nil: LinkedIn makes pictures anew, so
// what a read gives cannot be compared.
func buildPicture(entity, from string, p *ledger.Profile, have sinks.Have) (sinks.Payload, error) {
	out := sinks.Payload{Mapping: Mapping}
	v := p.Scalar(from)
	if v == nil {
		if slices.Contains(have.Fields, entity) {
			out.Clears, out.Steps = []string{entity}, []string{stepDelete}
		}
		return out, nil
	}
	file, err := ledger.ParseJSON(v)
	if err != nil || file.Kind != ledger.NodeString {
		return sinks.Payload{}, fmt.Errorf("%s: %w", from, ledger.ErrFormat)
	}
	if settings, err := settingsOf(p); err != nil || !isPerson(settings.Account) {
		return sinks.Payload{}, &sinks.Unsendable{Why: noPerson}
	}
	out.Body = object(member("file", file)).Append(nil)
	out.Fields, out.Steps = []string{entity}, pictureSteps()
	return out, nil
}

// minus gives the names of a that b has not, sorted.
func minus(a, b []string) []string {
	var out []string
	for _, name := range a {
		if !slices.Contains(b, name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// object and the like make nodes.
func object(members ...ledger.NodeMember) ledger.Node {
	return ledger.Node{Kind: ledger.NodeObject, Members: members}
}

func member(name string, n ledger.Node) ledger.NodeMember {
	return ledger.NodeMember{Name: name, Node: n}
}

func array(elems ...ledger.Node) ledger.Node {
	return ledger.Node{Kind: ledger.NodeArray, Elems: elems}
}
