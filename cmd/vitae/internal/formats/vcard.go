package formats

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// Picture is an image to go into a card.
type Picture struct {
	MediaType string
	Content   []byte
}

// vCardCarries is what a card has a place for.
var vCardCarries = carries(`firstName lastName displayName nickName email phone landline address city postalCode province country birthDate gender
	jobTitle employer summary website portfolio linkedIn twitter github instagram facebook skype telegram picture
	phones.number phones.type websites.url`)

// VCard writes the person as a card of version 4.0 (RFC 6350, with SOCIALPROFILE of RFC
// 9554), and names the fields with a value that it has no place for. picture is the
// profile's, nil to leave it out.
func VCard(r *Resume, picture *Picture) (out []byte, lost []string) {
	var c card
	c.line("BEGIN", "VCARD")
	c.line("VERSION", "4.0")
	c.line("PRODID", "-//vitae//vitae//EN")
	c.line("UID", "urn:vitae:"+r.Profile.String())
	c.line("KIND", "individual")
	// FN must be there, and must not be empty.
	name := r.name()
	if name == "" {
		name = r.text("email")
	}
	if name == "" {
		name = r.Profile.String()
	}
	c.text("FN", name)
	c.parts("N", r.text("lastName"), r.text("firstName"), "", "", "")
	c.text("NICKNAME", r.text("nickName"))
	if day := strings.ReplaceAll(r.text("birthDate"), "-", ""); day != "" {
		c.line("BDAY", day)
	}
	if gender := r.text("gender"); gender != "" {
		c.parts("GENDER", "", gender)
	}
	c.text("EMAIL", r.text("email"))
	for _, p := range r.items("phones") {
		c.text("TEL"+phoneType(text(p, "type")), text(p, "number"))
	}
	c.text("TEL;TYPE=home", r.text("landline"))
	c.parts("ADR", "", "", r.text("address"), r.text("city"), r.text("province"), r.text("postalCode"), r.text("country"))
	c.text("TITLE", r.text("jobTitle"))
	if employer := r.text("employer"); employer != "" {
		c.parts("ORG", employer)
	}
	c.text("NOTE", r.text("summary"))
	for _, link := range []string{r.text("website"), r.text("portfolio")} {
		c.uri("URL", link)
	}
	for _, w := range r.items("websites") {
		c.uri("URL", text(w, "url"))
	}
	for _, n := range networks {
		switch v := r.text(n.field); {
		case n.field == "portfolio" || v == "":
		case isURL(v):
			c.uri("SOCIALPROFILE;SERVICE-TYPE="+n.name, v)
		default:
			c.text("SOCIALPROFILE;SERVICE-TYPE="+n.name+";VALUE=text", v)
		}
	}
	lost = r.lost(vCardCarries)
	switch {
	case picture != nil:
		c.line("PHOTO", "data:"+picture.MediaType+";base64,"+base64.StdEncoding.EncodeToString(picture.Content))
	case r.text("picture") != "":
		lost = append(lost, "picture")
	}
	c.line("REV", r.Updated.Format("20060102T150405Z"))
	c.line("END", "VCARD")
	return []byte(c.b.String()), lost
}

// phoneType is the parameter for a number's type, where vCard has a word for it.
func phoneType(kind string) string {
	switch strings.ToLower(kind) {
	case "home", "work", "fax", "pager":
		return ";TYPE=" + strings.ToLower(kind)
	case "mobile", "cell":
		return ";TYPE=cell"
	}
	return ""
}

// card is written by hand: the library at hand does not escape the parts of a name, and
// does not fold lines.
type card struct{ b strings.Builder }

// A semicolon parts the values of some properties and is escaped in those only: not every
// reader takes it back elsewhere.
var (
	cardText = strings.NewReplacer(`\`, `\\`, ",", `\,`, "\r\n", `\n`, "\n", `\n`, "\r", `\n`)
	cardPart = strings.NewReplacer(";", `\;`)
)

// text writes a property if it has a value.
func (c *card) text(property, value string) {
	if value != "" {
		c.line(property, cardText.Replace(value))
	}
}

// uri writes a property whose value is an address if it has one; what is no URL is a text.
func (c *card) uri(property, value string) {
	switch {
	case value == "":
	case isURL(value):
		c.line(property, strings.NewReplacer("\r", "%0D", "\n", "%0A").Replace(value))
	default:
		c.text(property+";VALUE=text", value)
	}
}

// parts writes a property of several parts if one of them has a value.
func (c *card) parts(property string, values ...string) {
	if strings.Join(values, "") == "" {
		return
	}
	escaped := make([]string, len(values))
	for i, v := range values {
		escaped[i] = cardPart.Replace(cardText.Replace(v))
	}
	c.line(property, strings.Join(escaped, ";"))
}

// foldAt is how many bytes a line may have without its end.
const foldAt = 75

// line writes one property, folded between characters.
func (c *card) line(property, value string) {
	line := property + ":" + value
	for room := foldAt; len(line) > room; room = foldAt - 1 {
		at := room
		for at > 0 && !utf8.RuneStart(line[at]) {
			at--
		}
		c.b.WriteString(line[:at] + "\r\n ")
		line = line[at:]
	}
	c.b.WriteString(line + "\r\n")
}
