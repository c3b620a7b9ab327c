// {{description}}.
{{modules}}
