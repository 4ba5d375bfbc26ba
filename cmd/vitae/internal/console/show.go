package console

import (
	"html/template"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"vitae/ledger"
)

// pages makes the templates: the frame with each page. They are part of the program, so
// a broken one is a fault of the program.
func pages() map[string]*template.Template {
	frame := template.Must(template.New("frame.html").Option("missingkey=error").Funcs(template.FuncMap{
		"label": label, "utc": utc, "stamp": stamp, "clip": clip, "connection": connectionWords, "action": actionWords, "event": eventWords, "page": linkTo,
	}).ParseFS(templateFiles, "templates/frame.html"))
	out := map[string]*template.Template{}
	for _, name := range pageNames() {
		out[name] = template.Must(template.Must(frame.Clone()).ParseFS(templateFiles, "templates/"+name+".html"))
	}
	return out
}

// link is an entry of the navigation.
type link struct {
	Path, Name string
	Here       bool
}

func linkTo(path, name string, here bool) link { return link{path, name, here} }

func pageNames() []string {
	return []string{"signin", "stopped", "message", "overview", "profile", "past", "resumes", "delete", "history", "blame", "diff", "choose", "operate"}
}

// label makes a name of the catalogue readable: "workExperiences" is "Work experiences".
func label(name string) string {
	name, locale, variant := strings.Cut(name, "@")
	if object, member, inside := strings.Cut(name, "."); inside {
		return label(object) + ": " + member
	}
	switch name {
	case "linkedIn", ledger.LinkedIn:
		name = "LinkedIn"
	case ledger.PostPress:
		name = "PostPress"
	case "github":
		name = "GitHub"
	default:
		var b strings.Builder
		for i, r := range name {
			switch {
			case i == 0:
				b.WriteRune(unicode.ToUpper(r))
			case unicode.IsUpper(r):
				b.WriteByte(' ')
				b.WriteRune(unicode.ToLower(r))
			default:
				b.WriteRune(r)
			}
		}
		name = b.String()
	}
	if variant {
		name += " (" + locale + ")"
	}
	return name
}

// utc shows a time to the second; "—" for none.
func utc(t time.Time) string {
	if t.IsZero() {
		return "—"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// stamp is a time for machines.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// clipAt is how many characters of a value a table shows before it folds it.
const clipAt = 80

// clipped is a value with the beginning of it that a table shows.
type clipped struct {
	Short, Full string
	Cut         bool
}

func clip(text string) clipped {
	c := clipped{Short: text, Full: text}
	if line, _, more := strings.Cut(text, "\n"); more {
		c.Short, c.Cut = line, true
	}
	if utf8.RuneCountInString(c.Short) > clipAt {
		c.Short, c.Cut = string([]rune(c.Short)[:clipAt]), true
	}
	return c
}

// plain is a JSON value for people: a text without quotes, "" for null, else JSON.
func plain(n ledger.Node) string {
	switch n.Kind {
	case ledger.NodeNull:
		return ""
	case ledger.NodeString:
		return n.Text
	}
	return string(n.Append(nil))
}

// connectionWords says how a connection stands.
func connectionWords(state string) string {
	switch state {
	case "in_sync":
		return "Up to date"
	case "pending":
		return "Waiting: edits are on their way"
	case "paused":
		return "Paused: edits wait until it goes on"
	case "parked":
		return "Stopped: an edit waits for an operator's decision"
	case "uncertain":
		return "Not sure: a request had no clear answer and is being checked"
	}
	return state
}

// actionWords says what a choice about a parked edit does.
func actionWords(action string) string {
	switch action {
	case "retry":
		return "Try again"
	case "mark_done":
		return "Mark as done: the provider has it"
	case "skip":
		return "Skip: do not send this edit"
	case "recreate":
		return "Make it anew at the provider"
	}
	return action
}

// eventWords says what an event did.
func eventWords(op string) string {
	switch op {
	case "set":
		return "set"
	case "clear":
		return "cleared"
	case "put":
		return "item written"
	case "remove":
		return "item removed"
	case "order":
		return "reordered"
	case "bound":
		return "connected"
	case "decided":
		return "delivery decided"
	}
	return op
}
