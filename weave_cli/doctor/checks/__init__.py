"""Judgements over facts, one file for each category. Pure: who gathered the facts is not known here."""
