package ledger

// What only Jarvi knows. null means absent there: nothing can be cleared.

func jarviFields() []Field {
	own := func(name string, kind Kind, as string) Field {
		return Field{Name: "jarvi." + name, View: Shared, Kind: kind, Clearable: true, Provider: Jarvi,
			Homes: []Home{sent(Jarvi, as, ClearNever)}}
	}
	once := func(name string, about string, members ...Member) Field {
		// They only ever grow: the limit is there so that a list is never without one.
		return Field{Name: "jarvi." + name, View: Shared, Kind: KindList, Max: 1 << 20, Provider: Jarvi, Hidden: true, Append: true, About: about,
			Item: members, Homes: []Home{sent(Jarvi, name, ClearNever).because("once, and never in a replay: every call adds another")}}
	}
	file := func(path string) []Member {
		return []Member{
			text("fileName", to(Jarvi, path+"[].fileName")).required(),
			of(KindFile, "file", to(Jarvi, path+"[].data").because("as a data URI in base64")).required(),
		}
	}
	custom := own("custom.", KindText, "<uuid>")
	custom.About = "one field for each of the workspace's custom fields, by its uuid in lower case; always a text"
	addresses := own("emailAddresses", KindTexts, "emailAddresses")
	addresses.About = "the e-mail addresses besides email, which is the first there"
	addresses.Homes[0] = addresses.Homes[0].because("after email, in one text parted by commas")
	history := once("historyEntries", "notes for the history of the person's file; no part of the profile, kept so that each is sent once",
		text("subject", to(Jarvi, "historyEntrySubject")),
		text("message", to(Jarvi, "historyEntryMessage")),
		of(KindUUID, "type", to(Jarvi, "historyEntryType")))
	history.Homes[0].As = "historyEntry*"
	return []Field{
		own("projectId", KindUUID, "projectId"),
		own("currentCompanyId", KindText, "currentCompanyId"),
		addresses,
		custom,
		history,
		once("resumesFiles", "resumes for the person's file; no part of the profile, kept so that each is sent once", file("resumesFiles")...),
		once("files", "files for the person's file; no part of the profile, kept so that each is sent once", file("files")...),
	}
}
